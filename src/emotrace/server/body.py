"""How much a client may send, and how slowly: counted while it is read, not after."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings

JOBS = "/v1/jobs"
"""Where many recordings come at a time."""

SOON_SECONDS, SOON_BYTES = 0.3, 1 << 20
"""Of a rest that is worth reading, to use the connection again."""

LINGER_SECONDS, LINGER_BYTES = 2.0, 8 << 20
"""Of a rest that comes while the client reads the answer, which it would not get if it were cut off."""


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
            ) from None

    def _check(self, count: int) -> None:
        limit = self._most
        if count > limit:
            raise RequestError(
                "limit", f"the request has more than {limit} bytes; cut the recording or compress it"
            )


class Unread:
    """Ends a request that was answered before all of it came, instead of swallowing the rest.

    What comes within a moment is read, so that the connection can be used again; else the answer is sent, the
    client gets time to read it, and the connection is closed.

    Args:
        app: may answer before it has read the body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rest = _Rest(scope, receive, send)
        await self._app(scope, rest.receive, rest.send)


class _Rest:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        headers = Headers(scope=scope)
        self._asks = "100-continue" in headers.get("expect", "").lower()  # who has sent nothing yet
        self._ended = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._closing = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._ended |= not message.get("more_body", False)  # or the client went away
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._ended:
            self._closing = self._asks or not await self._drained(SOON_SECONDS, SOON_BYTES)
            if self._closing:
                MutableHeaders(scope=message)["Connection"] = "close"
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (last and self._closing):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        if not self._asks:
            await self._drained(LINGER_SECONDS, LINGER_BYTES)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drained(self, seconds: float, most: int) -> bool:
        """Whether the rest came in time."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drain(most), seconds)
        return self._ended

    async def _drain(self, most: int) -> None:
        while most > 0 and not self._ended:
            most -= len((await self.receive()).get("body", b""))
