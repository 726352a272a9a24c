"""Sees every request and WebSocket from outside: its id, one line in the log, its figures."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotrace.server.monitoring.logs import HEADER, Note, answering, log
from emotrace.server.monitoring.metrics import Metrics
from emotrace.server.problems import KINDS, problem
from emotrace.server.settings import Settings

QUIET = frozenset(
    {"/v1/health", "/v1/ready", "/v1/metrics", "/ui/en/{path}", "/ui/zh/{path}", "/ui/static/{name}"}
)
"""Routes that machines, and the web pages by themselves, ask all the time; they are logged only if they fail,
or at level debug."""

UNKNOWN = "-"
"""The route of a request that none answers; its path is the client's word, so it is not repeated."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS"})
"""Those that are told; all others, which a client may make up, are one."""

_STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


class Watch:
    """The outermost layer.

    A request without an ``X-Request-ID`` gets one; it is sent back with the answer. No line holds addresses,
    headers or queries, nor what clients call their recordings, unless the settings want that.

    Args:
        app: what is watched.
        metrics: count.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings) -> None:
        self._app, self._metrics, self._names = app, metrics, settings.log_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        self._metrics.began()
        with answering(Headers(scope=scope).get(HEADER)) as note:
            seen = _Seen(scope, receive, send, note)
            try:
                await self._app(scope, seen.receive, seen.send)
            finally:
                self._metrics.ended()
                self._tell(seen)

    def _tell(self, seen: _Seen) -> None:
        scope, seconds = seen.scope, time.perf_counter() - seen.start
        method = scope.get("method", "WS")
        method = method if method in METHODS else "other"
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self._metrics.answered(method, route, seen.status, seconds)
        if seen.note.code is not None:
            self._metrics.problem(seen.note.code)
        quiet = route in QUIET and seen.status < 400
        caller = scope.get("state", {}).get("caller")
        log.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s %d",
            method,
            route,
            seen.status,
            extra={
                "method": method,
                "route": route,
                "status": seen.status,
                "ms": round(seconds * 1000, 1),
                "key": getattr(caller, "key", None),
                "code": seen.note.code,
                "source": seen.note.source if self._names else None,
                "bytes_in": seen.received,
                "bytes_out": seen.sent,
            },
        )


class Bugs:
    """Turns what nobody foresaw into a problem, whose traceback is in the log.

    Args:
        app: what may have bugs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            log.exception("unexpected error")
            await problem("bug", KINDS["bug"].sentence or "")(scope, receive, send)


class _Seen:
    """One request while it runs."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, note: Note) -> None:
        self.scope, self._receive, self._send, self.note = scope, receive, send, note
        self.start = time.perf_counter()
        self.status, self.received, self.sent = 500, 0, 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body") or message.get("bytes") or message.get("text") or b"")
        if message["type"] == "websocket.disconnect":
            self.status = message.get("code") or 1005
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in _STARTS:
            self.status = message.get("status", self.status)
            message.setdefault("headers", [])
            MutableHeaders(scope=message)[HEADER] = self.note.id
        elif message["type"] == "websocket.close":
            self.status = message.get("code", 1000)
        self.sent += len(message.get("body") or message.get("bytes") or message.get("text") or b"")
        await self._send(message)
