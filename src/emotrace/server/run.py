"""Runs the service until it is told to stop; what runs is finished first."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

import uvicorn

from emotrace.recognition import Recognizer
from emotrace.server.app import create_app
from emotrace.server.settings import Settings

_LONGER = 5.0  # than any deadline, before what runs is given up
_HEADER_BYTES = 32 * 1024


class Server(uvicorn.Server):
    """Uvicorn that ends as a program does that was asked to: without raising the signal once more.

    ``run(sockets=[listener])`` answers requests until SIGTERM or Ctrl-C.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what runs; a second Ctrl-C does not."""
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def server_of(settings: Settings, load: Callable[[str], Recognizer] | None = None) -> Server:
    """The server, ready to run; see :func:`~emotrace.server.app.create_app`.

    Raises:
        InputError: a file of presets is not right.
        ModelNotFoundError: the server's own model is not installed.
    """
    longest = settings.upload_seconds + settings.deadline_seconds + _LONGER
    config = uvicorn.Config(
        create_app(settings, load),
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=round(longest),
    )
    return Server(config)
