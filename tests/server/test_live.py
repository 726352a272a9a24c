"""The service behind a real socket."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from emotrace.recognition import Recognizer
from tests.server.served import Gated, fake, live, post, tone, wait_for

HEAD = (
    b"--edge\r\n"
    b'Content-Disposition: form-data; name="checks"\r\n\r\nfalse\r\n'
    b"--edge\r\n"
    b'Content-Disposition: form-data; name="audio"; filename="talk.wav"\r\n\r\n'
)
BODY = HEAD + tone() + b"\r\n--edge--\r\n"
KIND = "multipart/form-data; boundary=edge"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live(max_bytes=200_000) as url:
        yield url


def opened(url: str, *headers: str) -> socket.socket:
    """A connection on which a request has begun."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    lines = ["POST /v1/recognitions HTTP/1.1", f"Host: {parts.netloc}", f"Content-Type: {KIND}", *headers]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[int, Any]:
    """Status and JSON body of the answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return int(lines[0].split()[1]), json.loads(body)


def test_an_upload_in_pieces(url: str) -> None:
    with opened(url, f"Content-Length: {len(BODY)}") as connection:
        for start in range(0, len(BODY), 999):
            connection.sendall(BODY[start : start + 999])
        status, record = answer_of(connection)
    assert (status, record["emotion"]) == (200, "happy")


def test_an_upload_of_unknown_length(url: str) -> None:
    def pieces() -> Iterator[bytes]:
        for start in range(0, len(BODY), 1000):
            yield BODY[start : start + 1000]

    answer = httpx2.post(f"{url}/v1/recognitions", content=pieces(), headers={"Content-Type": KIND})
    assert (answer.status_code, answer.json()["emotion"]) == (200, "happy")


def test_an_upload_that_is_too_large_is_answered_before_it_has_come(url: str) -> None:
    with opened(url, "Content-Length: 1000000000") as connection:
        status, problem = answer_of(connection)  # nothing was sent
        assert (status, problem["code"]) == (413, "limit")
    with opened(url, "Transfer-Encoding: chunked") as connection:
        chunk = HEAD + b"x" * 50_000
        for _ in range(5):
            connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        status, problem = answer_of(connection)  # its end was never sent
        assert (status, problem["code"]) == (413, "limit")
    assert post(url).status_code == 200


def test_a_client_that_goes_away_while_it_uploads_leaves_nothing_behind(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "emotrace.server"):
        for _ in range(3):
            with opened(url, f"Content-Length: {len(BODY)}") as connection:
                connection.sendall(BODY[:500])
        wait_for(lambda: caplog.text.count("the client went away") == 3, "all have left")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert post(url).status_code == 200


def test_a_client_that_is_too_slow_is_sent_away() -> None:
    with live(upload_seconds=0.3) as url, opened(url, f"Content-Length: {len(BODY)}") as connection:
        connection.sendall(BODY[:100])
        status, problem = answer_of(connection)
        assert (status, problem["code"]) == (408, "upload-timeout")
        assert connection.recv(1) == b""


def test_twenty_at_the_same_time_share_one_load() -> None:
    loads = []

    def load(name: str) -> Recognizer:
        loads.append(name)
        return fake(name)

    with live(load, workers=2) as url, ThreadPoolExecutor(20) as pool:
        levels = [n % 9 / 8 or 0.125 for n in range(20)]
        answers = list(pool.map(lambda level: post(url, content=tone(level)), levels))
        alone = [post(url, content=tone(level)).json()["scores"] for level in levels[:9]]
    assert [answer.status_code for answer in answers] == [200] * 20
    assert [answer.json()["scores"] for answer in answers][:9] == alone
    assert loads == ["compact"]


def test_a_full_queue_says_when_to_come_again_and_loses_nobody() -> None:
    encoder = Gated()
    with (
        live(lambda _: Recognizer(encoder=encoder), workers=1, queue=1) as url,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(post, url)
        assert encoder.begun.acquire(timeout=30)
        second = pool.submit(post, url)
        refused = None
        while refused is None:  # until the second waits
            answer = httpx2.get(f"{url}/v1/health")
            assert answer.status_code == 200
            found = probe(url)
            refused = found if found[0] == 429 else None
        assert refused[1]["code"] == "busy"
        encoder.let.set()
        assert [first.result(30).status_code, second.result(30).status_code] == [200, 200]
        assert post(url).status_code == 200


def probe(url: str) -> tuple[int, Any]:
    """The answer to a request that cannot be used, but is refused earlier if the queue is full."""
    answer = httpx2.post(f"{url}/v1/recognitions", content=b"", headers={"Content-Type": KIND})
    if answer.status_code == 429:
        assert int(answer.headers["retry-after"]) >= 1
    return answer.status_code, answer.json()


def test_an_answer_that_takes_too_long_is_told_and_its_place_freed() -> None:
    encoder = Gated()
    with live(lambda _: Recognizer(encoder=encoder), workers=1, queue=0, deadline_seconds=0.3) as url:
        late = post(url)
        assert (late.status_code, late.json()["code"]) == (503, "deadline")
        assert late.headers["retry-after"]
        assert post(url).status_code == 429  # what cannot be stopped still has its place
        encoder.let.set()
        wait_for(lambda: post(url).status_code == 200, "the place is free")


def test_work_for_a_client_that_went_away_is_given_up() -> None:
    encoder = Gated()
    with live(lambda _: Recognizer(encoder=encoder), workers=1, queue=1) as url:
        with opened(url, f"Content-Length: {len(BODY)}") as connection:
            connection.sendall(BODY)
            assert encoder.begun.acquire(timeout=30)
            with opened(url, f"Content-Length: {len(BODY)}") as waiting:
                waiting.sendall(BODY)
                wait_for(lambda: probe(url)[0] == 429, "both are there")
            wait_for(lambda: probe(url)[0] != 429, "the one that waited has left")
        encoder.let.set()
        assert post(url).status_code == 200


def test_headers_without_end_are_refused(url: str) -> None:
    with opened(url, "X: " + "x" * 100_000) as connection:
        assert connection.recv(65536).split()[1] in (b"400", b"431")  # 400 if the end of it did not come yet
    assert post(url).status_code == 200


@pytest.mark.parametrize("count", [5, 40, 90])
def test_headers_are_counted_together(url: str, count: int) -> None:
    with opened(url, *[f"X-{i}: {'y' * 1000}" for i in range(count)], "Content-Length: 0") as connection:
        status, problem = answer_of(connection)
    assert (status, problem["code"]) == ((400, "multipart") if count < 30 else (431, "headers"))
    assert post(url).status_code == 200


def test_a_stop_finishes_what_runs() -> None:
    encoder, answers = Gated(), []
    stopping = live(lambda _: Recognizer(encoder=encoder))
    url = stopping.__enter__()
    asking = threading.Thread(target=lambda: answers.append(post(url)))
    asking.start()
    assert encoder.begun.acquire(timeout=30)
    threading.Timer(0.3, encoder.let.set).start()
    stopping.__exit__(None, None, None)
    asking.join(30)
    assert [answer.status_code for answer in answers] == [200]
    with pytest.raises(httpx2.ConnectError):
        post(url)
