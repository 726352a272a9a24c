from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emotrace.server import body
from emotrace.server.body import BodyLimits, Unread
from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings


def read(parts: list[bytes], headers: list[tuple[bytes, bytes]] | None = None, **settings: Any) -> int:
    """How many parts are read before the request is cut off, or at its end."""
    count = 0

    async def receive() -> Any:
        nonlocal count
        if count == len(parts):
            await asyncio.Event().wait()
        count += 1
        return {"type": "http.request", "body": parts[count - 1], "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    limits = BodyLimits(app, Settings.of(**settings))
    with pytest.raises(RequestError) as caught:
        asyncio.run(limits({"type": "http", "path": "/", "headers": headers or []}, receive, None))  # type: ignore[arg-type]
    assert caught.value.code == ("upload-timeout" if settings.get("upload_seconds") else "limit")
    return count


def test_a_body_is_cut_off_while_it_is_read() -> None:
    assert read([b"x" * 10] * 1000, max_bytes=45) == 5


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    assert read([b"x"] * 10, [(b"content-length", b"46")], max_bytes=45) == 0


def test_a_length_that_is_a_lie_is_of_no_use() -> None:
    assert read([b"x" * 10] * 10, [(b"content-length", b"4")], max_bytes=45) == 5


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    assert read([b"x"] * 3, upload_seconds=0.05) == 3


def refusing(
    headers: dict[str, str], parts: int, stall: bool = False
) -> tuple[dict[str, str], int, list[Any]]:
    """An answer before the body was read: its headers, the parts that were read, and what was sent.

    Args:
        headers: of the request.
        parts: of a mebibyte each, that are sent at once.
        stall: nothing comes after them.
    """
    taken, sent = 0, []

    async def receive() -> Any:
        nonlocal taken
        if taken == parts and stall:
            await asyncio.Event().wait()
        taken += 1
        return {"type": "http.request", "body": bytes(1 << 20), "more_body": taken < parts or stall}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})

    scope = {"type": "http", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(Unread(app)(scope, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert b"".join(each["body"] for each in sent[1:]) == b"no"
    assert not sent[-1].get("more_body", False)
    return told, taken, sent


def test_a_short_rest_is_read_so_that_the_connection_can_be_used_again() -> None:
    told, taken, sent = refusing({"content-length": "1048576"}, parts=1)
    assert (told, taken, len(sent)) == ({}, 1, 2)


def test_a_long_rest_is_cut_off_after_the_answer_was_sent() -> None:
    told, taken, sent = refusing({"transfer-encoding": "chunked"}, parts=10_000)
    assert told == {"connection": "close"}
    assert taken == 1 + (body.LINGER_BYTES >> 20)
    assert [each.get("more_body") for each in sent[1:]] == [True, False]


def test_a_rest_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SOON_SECONDS", 0.01)
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.01)
    told, taken, _ = refusing({"content-length": "999999999"}, parts=0, stall=True)
    assert (told, taken) == ({"connection": "close"}, 0)


def test_who_asks_before_sending_is_not_told_to_send() -> None:
    told, taken, _ = refusing({"content-length": "9", "expect": "100-continue"}, parts=1)
    assert (told, taken) == ({"connection": "close"}, 0)


def test_a_request_without_a_body_is_left_alone() -> None:
    told, taken, sent = refusing({}, parts=1)
    assert (told, taken, len(sent)) == ({}, 0, 2)
