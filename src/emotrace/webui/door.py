"""What of Gradio's application is open, and to whom.

Gradio answers many more paths than a page needs (a proxy, file browsing, monitoring, an API); only what is
listed here is let through. A file that one caller uploaded is read by no other.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs

from gradio.routes import App
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from emotrace.errors import EmotraceError
from emotrace.server.access.callers import caller_of, require
from emotrace.server.access.limits import place_of
from emotrace.server.problems import RequestError, json_bytes
from emotrace.webui.answers import Answer, Collected, Uploaded
from emotrace.webui.uploads import Uploads

OPEN = (
    ("GET", r"/(assets|static)/[\w./-]+"),
    ("GET", r"/theme\.css"),
    ("POST", r"/gradio_api/queue/join"),
    ("GET", r"/gradio_api/queue/data"),
    ("POST", r"/gradio_api/cancel"),
    ("POST", r"/gradio_api/reset/?"),
    ("GET", r"/gradio_api/heartbeat/\w+"),
    ("POST", r"/gradio_api/upload"),
    ("GET", r"/gradio_api/upload_progress"),
    ("GET", r"/gradio_api/startup-events"),
    ("GET", r"/gradio_api/app_id"),
    ("GET", r"/gradio_api/file=.+"),
    ("HEAD", r"/gradio_api/file=.+"),
)
"""Methods and paths of Gradio that a page uses."""

MAX_INPUT_BYTES = 1024**2
"""Of the values of a page's controls; files come as uploads."""

REMEMBERED = 20_000
"""Sessions whose owner is known."""

_JOIN, _FILE = "/gradio_api/queue/join", "/gradio_api/file="
_BODIES: dict[str, dict[str, type]] = {
    _JOIN: {"session_hash": str, "fn_index": int, "data": list},
    "/gradio_api/cancel": {"session_hash": str, "fn_index": int, "event_id": str},
    "/gradio_api/reset": {"event_id": str},
}
_NAME = re.compile(r"\w{1,100}")
_STALE = ("x-forwarded-host", "x-forwarded-proto", "accept-encoding")
_HASHED = re.compile(r"/assets/.+-[\w-]{8}\.\w+")


class Door:
    """Lets through what a page needs.

    Args:
        app: Gradio's application.
        root: path that it is mounted at.
        uploads: and whose they are.
    """

    def __init__(self, app: App, root: str, uploads: Uploads) -> None:
        self._app, self._root, self._uploads = app, root, uploads
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def opens(self, method: str, path: str) -> bool:
        """Whether a request is let through at all."""
        return any(method == each and re.fullmatch(pattern, path) for each, pattern in OPEN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request for a path below the root.

        Raises:
            RequestError: it asks for what is another caller's, or is no request of a page.
        """
        path = scope["path"].removeprefix(self._root)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        request, is_upload = Request(scope), path == "/gradio_api/upload"
        owner = caller_of(request).key
        self._check_query(query, path, owner)
        with ExitStack() as until_end:
            if path.startswith(_FILE):
                found = self._uploads.path(path.removeprefix(_FILE))
                self._uploads.check(found, owner)
                path = _FILE + found
            elif path.rstrip("/") in _BODIES:
                receive = await self._inputs(path.rstrip("/"), receive, request)
            elif is_upload:
                require(request, "recognize")
                until_end.enter_context(place_of(request)())
                await asyncio.to_thread(self._uploads.check_room, owner)
                send = Uploaded(send, self._uploads, owner).send
            elif _HASHED.fullmatch(path):
                send = _cached(send)
            await self._answer(
                inner(scope, path, self._root), Answer(receive, send, self._uploads), is_upload
            )

    async def _answer(self, scope: Scope, answer: Answer, is_upload: bool) -> None:
        try:
            await self._app(scope, answer.receive, answer.send)
        except (OSError, ClientDisconnect, EmotraceError):
            answer.tell()
            raise
        except Exception as error:
            if is_upload and not answer.has_begun:
                raise RequestError(
                    "multipart", "the upload is no form, or a broken one; send it again"
                ) from error
            await answer.end(error)
        answer.tell()

    async def page(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        """Status and text of Gradio's page."""
        collected = Collected()
        await self._app(inner({**scope, "query_string": b""}, "/", self._root), receive, collected.send)
        return collected.status, collected.body.decode("utf-8", "replace")

    def close(self) -> None:
        """Let go of the pages that are open."""
        self._app.stop_event.set()

    def _check_query(self, query: Mapping[str, list[str]], path: str, owner: str) -> None:
        named = [*query.get("session_hash", []), *query.get("upload_id", [])]
        if path.startswith("/gradio_api/heartbeat/"):
            named.append(path.rpartition("/")[2])
        for each in named:
            self._check_session(each, owner)
        if path == "/gradio_api/upload_progress" and len(query.get("upload_id", [])) != 1:
            raise RequestError("bad-request", "the request names no upload; load the page again")
        if path == "/gradio_api/queue/data":
            known = self._app.get_blocks()._queue.pending_messages_per_session
            if not (named and all(each in known for each in named)):
                raise RequestError("not-found", "the page is not known here any more; load it again")

    def _check_session(self, name: Any, owner: str) -> None:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise RequestError("bad-request", "the request names no page; load the page again")
        if self._sessions.setdefault(name, owner) != owner:
            raise RequestError("not-found", "the page is another caller's; load it again")
        self._sessions.move_to_end(name)
        while len(self._sessions) > REMEMBERED:
            self._sessions.popitem(last=False)

    async def _inputs(self, path: str, receive: Receive, request: Request) -> Receive:
        """The body of a page's request, after what it names was found to be there, and the caller's."""
        content = await _body(receive)
        try:
            body = json_bytes(self._checked(path, json.loads(content), request))
        except (ValueError, RecursionError):
            raise RequestError("bad-request", "the request is no JSON; load the page again") from None
        message: Message = {"type": "http.request", "body": body, "more_body": False}
        sent = iter([message])

        async def again() -> Message:
            return next(sent, None) or await receive()

        return again

    def _checked(self, path: str, values: Any, request: Request) -> dict[str, Any]:
        """What of a body is passed on."""
        fields = _BODIES[path]
        if not isinstance(values, dict) or not all(type(values.get(name)) is fields[name] for name in fields):
            raise RequestError("bad-request", f"the request needs {', '.join(fields)}; load the page again")
        owner = caller_of(request).key
        if "session_hash" in fields:
            self._check_session(values["session_hash"], owner)
        body = {name: values[name] for name in fields}
        if path == _JOIN:
            self._check_join(values, request, owner)
            trigger = values.get("trigger_id")
            body["trigger_id"] = trigger if type(trigger) is int else None
            body["event_data"] = values.get("event_data")
        return body

    def _check_join(self, values: dict[str, Any], request: Request, owner: str) -> None:
        known = self._app.get_blocks().fns.get(values["fn_index"])
        if known is None or len(values["data"]) != len(known.inputs):
            raise RequestError("bad-request", "the page has nothing that takes these values; load it again")
        files = list(_files_in([values["data"], values.get("event_data")]))
        if files:
            require(request, "recognize")
        for each in files:
            path = self._uploads.path(str(each["path"]))
            self._uploads.check(path, owner)
            if isinstance(name := each.get("orig_name"), str) and name:
                self._uploads.call(path, owner, name)
            each["path"] = path
            each.pop("url", None)


def _files_in(value: Any) -> Iterator[dict[str, Any]]:
    """What is a file for Gradio."""
    if isinstance(value, dict) and "path" in value:
        yield value
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _files_in(each)


def inner(scope: Scope, path: str, root: str) -> Scope:
    """A scope as the mounted application sees it, without what it would believe of a proxy."""
    headers = [(name, value) for name, value in scope["headers"] if name.decode("latin-1") not in _STALE]
    return {
        **scope,
        "path": root + path,
        "raw_path": (root + path).encode("utf-8", "replace"),
        "root_path": root,
        "headers": headers,
    }


def new_nonce() -> str:
    """Tells a page's own scripts from others."""
    return secrets.token_urlsafe(16)


def _cached(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            MutableHeaders(scope=message)["Cache-Control"] = "private, max-age=31536000, immutable"
        await send(message)

    return sending


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError("bad-request", "the request was not sent to its end; load the page again")
        body += message.get("body", b"")
        if len(body) > MAX_INPUT_BYTES:
            raise RequestError("limit", f"the page's values have more than {MAX_INPUT_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(body)
