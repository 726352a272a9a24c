"""Stand-ins for object stores."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "calls"
SECRET = "very-secret-0123456789"


@contextmanager
def moto_server() -> Iterator[str]:
    """moto's server in a process of its own, with a bucket; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    server = subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"{address}/moto-api/", timeout=5):
                break
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(30)


class Misbehaving:
    """A store of one object that answers as it is told to.

    Args:
        data: the object.
        answer: given the number of the GET, how it is answered: ``"whole"``, ``"cut"`` (the connection ends
            in the middle), ``"busy"`` (503) or ``"denied"`` (403).

    Attributes:
        address: of the store.
        gets: how often the object was asked for.
    """

    def __init__(self, data: bytes, answer: Callable[[int], str]) -> None:
        self.data, self.answer, self.gets = data, answer, 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Misbehaving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._head(403 if store.answer(0) == "denied" else 200)

            def do_GET(self) -> None:
                store.gets += 1
                how = store.answer(store.gets)
                status = {"busy": 503, "denied": 403}.get(how, 200)
                self._head(status)
                if status == 200:
                    self.wfile.write(store.data[: len(store.data) // 2] if how == "cut" else store.data)

            def _head(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(store.data) if status == 200 else 0))
                self.send_header("ETag", '"1"')
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
