"""The WebSocket of a live stream: messages in, with limits; messages and errors out."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, NoReturn

from fastapi import WebSocket, WebSocketDisconnect

from emotrace.errors import EmotraceError, StoreError
from emotrace.server.access.callers import check_again
from emotrace.server.live.places import Streams
from emotrace.server.monitoring.logs import log, note
from emotrace.server.problems import KINDS, RequestError, json_bytes, sentence_of

SUBPROTOCOL = "emotrace"

AGAIN_SECONDS = 1.0
"""How often a stream looks whether its key is still good."""

CLOSE = {
    "bad-request": 1007,
    "stopping": 1001,
    "busy": 1013,
    "not-ready": 1013,
}
"""How a stream is closed after an error; after all others of the client's 1008, of the server's 1011."""


class ClientGoneError(Exception):
    """The client went away, or does not take what it is sent."""


class Line:
    """One WebSocket; a context, in which it is looked whether its key is still good.

    Args:
        socket: not accepted yet.
        streams: tell when to stop.
        idle_seconds: how long a client may send or take nothing.
    """

    def __init__(self, socket: WebSocket, streams: Streams, idle_seconds: float) -> None:
        self._socket, self._streams, self._idle = socket, streams, idle_seconds
        self._ending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Line:
        self._ending = asyncio.ensure_future(self._until_over())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ending is not None:
            self._ending.cancel()

    async def _until_over(self) -> None:
        """Ends with an error once the key is no longer good."""
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            with suppress(StoreError):  # while the database is away, nobody revoked it
                await check_again(self._socket)

    async def accept(self) -> None:
        """Answer the handshake."""
        offered = self._socket.scope.get("subprotocols", [])
        await self._socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)

    async def message(self) -> str | bytes:
        """The next message.

        Raises:
            RequestError: ``upload-timeout``, ``stopping``, or ``unauthorized`` where the key was revoked.
            ClientGoneError: the client went away.
        """
        receiving = asyncio.ensure_future(self._socket.receive())
        stopping = asyncio.ensure_future(self._streams.stopping.wait())
        all_of: set[asyncio.Future[Any]] = {receiving, stopping}
        if self._ending is not None:
            all_of.add(self._ending)
        try:
            await asyncio.wait(all_of, timeout=self._idle, return_when=asyncio.FIRST_COMPLETED)
            if self._ending is not None and self._ending.done():
                self._ending.result()
            if not receiving.done():
                self._give_up()
        finally:
            receiving.cancel()
            stopping.cancel()
        message = receiving.result()
        if message["type"] == "websocket.disconnect":
            raise ClientGoneError
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    def _give_up(self) -> NoReturn:
        if self._streams.stopping.is_set():
            raise RequestError("stopping", "the service is being stopped; come again in a moment")
        raise RequestError(
            "upload-timeout", f"nothing came for {self._idle:g} s; send silence too, or end the stream"
        )

    async def send(self, record: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            ClientGoneError: the client went away, or took nothing for too long.
        """
        try:
            await asyncio.wait_for(self._socket.send_text(json_bytes(record).decode()), self._idle)
        except (asyncio.TimeoutError, WebSocketDisconnect, RuntimeError) as gone:
            raise ClientGoneError from gone

    async def send_error(self, error: EmotraceError) -> None:
        """Say what is wrong; what that tells of the server's inside goes to the log instead.

        Raises:
            ClientGoneError: see :meth:`send`.
        """
        note().code = error.code
        if KINDS.get(error.code, KINDS["error"]).sentence is not None:
            log.error("%s: %s", error.code, error)
        await self.send({"type": "error", "code": error.code, "detail": sentence_of(error)})

    async def close(self, code: int) -> None:
        """Say goodbye.

        Raises:
            ClientGoneError: there is nobody any more.
        """
        try:
            await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError) as gone:
            raise ClientGoneError from gone


def close_code(error: EmotraceError) -> int:
    """What a stream is closed with after an error.

    >>> close_code(RequestError("limit", "too long")), close_code(RequestError("bug", ""))
    (1008, 1011)
    """
    kind = KINDS.get(error.code, KINDS["error"])
    return CLOSE.get(error.code, 1011 if kind.status >= 500 else 1008)


def parse_object(text: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RequestError: ``bad-request``, it is something else.

    >>> parse_object('{"type": "end"}')
    {'type': 'end'}
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RequestError(
            "bad-request", f"a text message is no JSON: {str(problem)[:100]}; expected an object"
        ) from problem
    if not isinstance(value, dict):
        raise RequestError(
            "bad-request", f"a text message is a JSON {type(value).__name__}; expected an object"
        )
    return value
