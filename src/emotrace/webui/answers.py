"""Gradio's answers as the service gives its own: problems for errors, and no paths of the server."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Send

from emotrace.server.monitoring.logs import log
from emotrace.server.problems import RequestError, json_bytes
from emotrace.webui.uploads import Uploads

_STREAM = "text/event-stream"
_PROBLEMS = {
    401: ("unauthorized", "nobody is signed in; load the page again"),
    404: ("not-found", "there is no such thing here; load the page again"),
    413: ("limit", "the upload is larger than this server takes; send less"),
    500: ("bug", "the page's request failed"),
    503: ("busy", "too many requests of pages wait already; try again in a moment"),
}


class Answer:
    """One answer of Gradio on its way out.

    Args:
        receive: of the request.
        send: of the answer.
        uploads: whose paths are told as the outside knows them.
    """

    def __init__(self, receive: Receive, send: Send, uploads: Uploads) -> None:
        self._receive, self._send = receive, send
        self._error: RequestError | None = None
        prefix = json.dumps(f"{uploads.folder}/", ensure_ascii=False)[1:-1]
        self._prefix = prefix.encode("utf-8", "surrogatepass")
        self.status, self._is_stream, self._is_ended = 0, False, False

    async def receive(self) -> Message:
        """The next piece of the request; what refuses it is told by :meth:`tell`, not by Gradio."""
        try:
            return await self._receive()
        except RequestError as error:
            self._error = error
            raise

    async def send(self, message: Message) -> None:
        """Pass on a piece of an answer that is none of an error."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._is_stream = Headers(raw=message["headers"]).get("content-type", "").startswith(_STREAM)
        elif self._is_stream:  # each piece is one event
            message = {**message, "body": message.get("body", b"").replace(self._prefix, b"")}
        if self._error is None and self.status < 400:
            self._is_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            try:
                await self._send(message)
            except RequestError as error:
                self._error = error

    @property
    def has_begun(self) -> bool:
        """Whether something of it was sent."""
        return self._error is None and 0 < self.status < 400

    async def end(self, error: Exception) -> None:
        """End a stream that failed, such as that of a page whose session is over.

        Raises:
            Exception: it is no stream.
        """
        if not (self.has_begun and self._is_stream):
            raise error
        log.warning("the events of a page ended: %s", type(error).__name__)
        if not self._is_ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def tell(self) -> None:
        """Say what is wrong.

        Raises:
            RequestError: the request was refused, by us or by Gradio.
        """
        if self._error is not None:
            raise self._error
        if self.status >= 400:
            fallback = ("bad-request", "the request is none of a page; load the page again")
            raise RequestError(*_PROBLEMS.get(self.status, fallback))


class Uploaded:
    """The answer to an upload: whose the files are is noted, and they are named as the outside knows them.

    One without files is refused.

    Args:
        send: of the answer.
        uploads: has the owners.
        owner: who uploaded.
    """

    def __init__(self, send: Send, uploads: Uploads, owner: str) -> None:
        self._outer, self._uploads, self._owner = send, uploads, owner
        self._start: Message = {}
        self._body = b""

    async def send(self, message: Message) -> None:
        """Pass on the answer, when it is whole."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        paths = [str(path) for path in json.loads(self._body)]
        if not paths:
            raise RequestError("multipart", "there is no file in the upload; send it again")
        for path in paths:
            self._uploads.add(path, self._owner)
        body = json_bytes([self._uploads.outside(path) for path in paths])
        MutableHeaders(scope=self._start)["Content-Length"] = str(len(body))
        await self._outer(self._start)
        await self._outer({"type": "http.response.body", "body": body, "more_body": False})


class Collected:
    """An answer that is kept."""

    def __init__(self) -> None:
        self.status, self.body = 500, b""

    async def send(self, message: Message) -> None:
        """Keep a piece."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")


def quiet() -> None:
    """Let Gradio's tracebacks go to the log, without what a client sent."""
    from gradio import queueing, route_utils, routes

    told: Any = SimpleNamespace(**{name: getattr(traceback, name) for name in traceback.__all__})
    told.print_exc = _log_error
    modules: tuple[ModuleType, ...] = (queueing, routes, route_utils)
    for module in modules:
        module.traceback = told  # type: ignore[attr-defined]


def _log_error(*_: object, **__: object) -> None:
    """Tell of the exception that is handled: what and where; its words may be a client's."""
    kind, _error, trace = sys.exc_info()
    places = [f"{Path(each.filename).name}:{each.lineno}" for each in traceback.extract_tb(trace)[-3:]]
    log.warning("an event of a page failed: %s (%s)", kind.__name__ if kind else "?", " > ".join(places))
