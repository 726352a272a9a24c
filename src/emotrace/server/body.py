"""How much a client may send, and how slowly: counted while it is read, not after."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings

JOBS = "/v1/jobs"
"""Where many recordings come at a time."""


class BodyLimits:
    """Cuts off a request that is too large or too slow, whatever reads it.

    Args:
        app: what reads the body.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            seconds, most = self._settings.upload_seconds, self._settings.max_bytes
            if scope["path"] == JOBS:
                seconds, most = self._settings.job_upload_seconds, self._settings.job_bytes
            receive = _Counted(receive, Headers(scope=scope), seconds, most).receive
        await self._app(scope, receive, send)


class _Counted:
    def __init__(self, receive: Receive, headers: Headers, seconds: float, most: int) -> None:
        self._receive, self._seconds, self._most = receive, seconds, most
        self._until: float | None = None
        self._ended = False
        length = headers.get("content-length", "")
        self._declared = int(length) if length.isdecimal() and len(length) < 20 else 0
        self._count = 0

    async def receive(self) -> Message:
        """The next message.

        Raises:
            RequestError: ``limit`` or ``upload-timeout``.
        """
        if self._ended:
            return await self._receive()
        self._check(self._declared)
        message = await self._in_time()
        self._ended = not message.get("more_body", False)
        self._count += len(message.get("body", b""))
        self._check(self._count)
        return message

    async def _in_time(self) -> Message:
        seconds = self._seconds
        if self._until is None:
            self._until = time.monotonic() + seconds
        try:
            return await asyncio.wait_for(self._receive(), max(0.0, self._until - time.monotonic()))
        except asyncio.TimeoutError:
            raise RequestError(
                "upload-timeout",
                f"the request was not sent within {seconds:g} s; send a smaller file, or over a faster line",
                {"Connection": "close"},
            ) from None

    def _check(self, count: int) -> None:
        limit = self._most
        if count > limit:
            raise RequestError(
                "limit", f"the request has more than {limit} bytes; cut the recording or compress it"
            )
