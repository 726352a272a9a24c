"""Uvicorn's protocols, with what they lack."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from emotrace.server.access.guard import HEAD_BYTES

HEADER_SECONDS = 20.0
"""For the head of a request; its body has a time of its own."""


class PatientHttp(HttpToolsProtocol):
    """HTTP where a connection that says nothing, too little or too much of a head, is closed.

    A client may offer another protocol than WebSocket, as Java's does with HTTP/2; that is ignored.
    """

    _waiting: asyncio.TimerHandle | None = None
    _offer = False  # the head that was parsed last makes one
    _pointless = 0  # bytes since the parser last had a whole head, or some of a body; it keeps them all

    def connection_made(self, transport: Any) -> None:
        """See :class:`asyncio.Protocol`."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._pointless += len(data)
        self._data = data
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
        method = self.parser.get_method()
        self._offer = self.parser.should_upgrade() and not self._should_upgrade() and method != b"CONNECT"
        if self._offer:
            self._head = b" ".join((method, self.url, b"HTTP/" + self.parser.get_http_version().encode()))
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See :class:`httptools.HttpRequestParser`."""
        self._pointless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See :class:`httptools.HttpRequestParser`."""
        self._pointless = 0
        if not self._offer:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Uvicorn's word for an offer, behind which the parser stops: the request is parsed without it."""
        error = sys.exc_info()[1]
        if not (self._offer and isinstance(error, httptools.HttpParserUpgrade)):
            return
        lines = [self._head, *(b": ".join(header) for header in self.headers if header[0] != b"upgrade")]
        rest = self._data[error.args[0] :]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as Uvicorn's
        self.data_received(b"\r\n".join((*lines, b"", rest)))

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
