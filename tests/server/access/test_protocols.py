"""HTTP as clients may write it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.server.served import live, post
from tests.server.test_live import BODY, answer_of, opened

OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live() as url:
        yield url


@pytest.mark.parametrize("size", [10, 5000, len(BODY)])
def test_an_offer_of_http_2_is_ignored(size: int, url: str) -> None:
    """Java's client makes one with its first request."""
    with opened(url, *OFFER, f"Content-Length: {len(BODY)}") as connection:
        for start in range(0, len(BODY), size):
            connection.sendall(BODY[start : start + size])
        assert answer_of(connection)[0] == 200


def test_an_offer_in_one_piece_with_its_body_and_again(url: str) -> None:
    parts = urlsplit(url)
    lines = ("POST /v1/recognitions HTTP/1.1", f"Host: {parts.netloc}", *OFFER)
    kind = "Content-Type: multipart/form-data; boundary=edge"
    request = "\r\n".join((*lines, kind, f"Content-Length: {len(BODY)}", "", "")).encode() + BODY
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert answer_of(connection)[0] == 200
        connection.sendall(
            "\r\n".join(("GET /v1/health HTTP/1.1", f"Host: {parts.netloc}", *OFFER, "", "")).encode()
        )
        assert answer_of(connection) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "rest", [b"5;" + b"x" * 200_000, b"0\r\n" + b"X: y\r\n" * 40_000, b"0\r\nX: " + b"y" * 200_000]
)
def test_what_never_comes_to_the_point_is_cut_off(rest: bytes, url: str) -> None:
    """Extensions of a chunk, and trailers, without an end."""
    with opened(url, "Transfer-Encoding: chunked") as connection:
        connection.sendall(b"2\r\n--\r\n")
        connection.settimeout(10)
        with pytest.raises(OSError):
            for _ in range(200):
                connection.sendall(rest)
                time.sleep(0.01)
    assert post(url).status_code == 200


def test_a_connection_stays_open_between_requests(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the 60 s of proxies, which would else send a request into a closed one."""
    from emotrace.server import run

    assert run.IDLE_SECONDS > 60
    with opened(url, f"Content-Length: {len(BODY)}") as connection:
        connection.sendall(BODY)
        assert answer_of(connection)[0] == 200
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
