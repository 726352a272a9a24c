from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emotrace.server.body import BodyLimits
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
        asyncio.run(limits({"type": "http", "headers": headers or []}, receive, None))  # type: ignore[arg-type]
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
