"""Uvicorn's protocols, with what they lack."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from emotrace.server.access.guard import HEAD_BYTES

HEADER_SECONDS = 20.0
"""For the head of a request; its body has a time of its own."""


class PatientHttp(HttpToolsProtocol):
    """HTTP where a connection that says nothing, too little or too much of a head, is closed."""

    _waiting: asyncio.TimerHandle | None = None
    _pointless = 0  # bytes since the parser last had a whole head, or some of a body; it keeps them all

    def connection_made(self, transport: Any) -> None:
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._pointless += len(data)
        super().data_received(data)
        if self._pointless > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """See :class:`httptools.HttpRequestParser`."""
        self._pointless = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See :class:`httptools.HttpRequestParser`."""
        self._pointless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See :class:`httptools.HttpRequestParser`."""
        self._pointless = 0
        super().on_message_complete()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if not self._is_idle() or self.transport.get_protocol() is not self:
            self._stop_waiting()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()


class QuietWebSockets(WebSocketsSansIOProtocol):
    """WebSockets where refusing one by an HTTP answer is no error."""

    async def send(self, message: Any) -> None:
        """See :class:`uvicorn.protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol`."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # else Uvicorn 0.54 logs an error
