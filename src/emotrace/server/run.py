"""Runs the service until it is told to stop; what runs is finished first."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from emotrace.recognition import Recognizer
from emotrace.server.access.protocols import PatientHttp, QuietWebSockets
from emotrace.server.access.proxies import tls_of
from emotrace.server.app import create_app
from emotrace.server.service import Service
from emotrace.server.settings import Settings

SWITCH_SECONDS = 0.0005
"""How long one thread may keep the interpreter from the others; by itself Python takes ten times as long, and
whoever only wants to start an inference, or to answer, waits for who computes."""

IDLE_SECONDS = 75
"""So long a connection stays open without a request: longer than proxies keep theirs, which would send one
into a connection that is just being closed."""

_LONGER = 5.0  # than any deadline, before what runs is given up


class Server(uvicorn.Server):
    """Uvicorn that ends as a program does that was asked to: without raising the signal once more.

    ``run(sockets=[listener])`` answers requests until SIGTERM or Ctrl-C.

    Args:
        config: of Uvicorn.
        service: whose streams are ended first.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until SIGTERM or Ctrl-C."""
        sys.setswitchinterval(SWITCH_SECONDS)
        super().run(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what runs; a second Ctrl-C does not."""
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the live streams with their results, then finish the requests."""
        await self._service.streams.close()
        await super().shutdown(sockets)


def server_of(settings: Settings, load: Callable[[str], Recognizer] | None = None) -> Server:
    """The server, ready to run; see :func:`~emotrace.server.app.create_app`.

    Raises:
        InputError: a file of presets is not right.
        ModelNotFoundError: the server's own model is not installed.
        StoreError: the database cannot be reached.
    """
    longest = settings.upload_seconds + settings.deadline_seconds + _LONGER
    app = create_app(settings, load)
    app.state.service.open()  # what is wrong there is told before anybody asks
    config = uvicorn.Config(
        app,
        http=PatientHttp,
        ws=QuietWebSockets,
        ws_max_size=settings.stream_frame_bytes,
        ws_ping_timeout=None,  # a pong waits behind the sound that was sent ahead; silence has its own limit
        ws_per_message_deflate=False,  # sound does not get smaller, and 20 streams would pay for it
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # see proxies.py
        **tls_of(settings),
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=round(longest),
    )
    return Server(config, app.state.service)
