"""What of Gradio's application is open, and to whom.

Gradio answers many more paths than a page needs (a proxy, file browsing, monitoring, an API); only what is
listed here is let through. A file that one caller uploaded is read by no other.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from gradio.routes import App
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from emotrace.server.access.callers import caller_of
from emotrace.server.problems import RequestError, json_bytes
from emotrace.webui.shelf import bytes_in

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
    ("GET", r"/gradio_api/file=.+"),
    ("HEAD", r"/gradio_api/file=.+"),
)
"""Methods and paths of Gradio that a page uses."""

MAX_INPUT_BYTES = 1024**2
"""Of the values of a page's controls; files come as uploads."""

MOST_BYTES = 4 * 1024**3
"""Of uploads that are kept at a time."""

REMEMBERED = 20_000
"""Uploads and sessions whose owner is known."""

_STALE = ("x-forwarded-host", "x-forwarded-proto", "accept-encoding")
_HASHED = re.compile(r"/assets/.+-[\w-]{8}\.\w+")


class Known:
    """Pairs of a thing and its owner; the oldest are forgotten."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, thing: str, owner: str) -> None:
        """Note that a thing is an owner's."""
        with self._lock:
            self._pairs[thing, owner] = None
            self._pairs.move_to_end((thing, owner))
            while len(self._pairs) > REMEMBERED:
                self._pairs.popitem(last=False)

    def has(self, thing: str, owner: str) -> bool:
        """Whether a thing is an owner's."""
        return (thing, owner) in self._pairs


class Door:
    """Lets through what a page needs.

    Args:
        app: Gradio's application.
        root: path that it is mounted at.
        folder: of the uploads.
        shared: files that everybody may read.
    """

    def __init__(self, app: App, root: str, folder: Path, shared: frozenset[str]) -> None:
        self._app, self._root, self._folder, self._shared = app, root, folder, shared
        self._uploads = Known()
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
        owner = caller_of(Request(scope)).key
        self._check_session(parse_qs(scope["query_string"].decode("latin-1")), path, owner)
        if path.startswith("/gradio_api/file="):
            self._check_file(path.partition("=")[2], owner)
        elif path == "/gradio_api/queue/join":
            receive = await self._inputs(receive, owner)
        elif path == "/gradio_api/upload":
            await asyncio.to_thread(self._check_room)
            send = _Uploading(send, self._uploads, owner).send
        elif _HASHED.fullmatch(path):
            send = _cached(send)
        refusing = _Refusing(receive, send)
        try:
            await self._app(inner(scope, path, self._root), refusing.receive, refusing.send)
        finally:
            refusing.tell()

    async def page(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        """Status and text of Gradio's page."""
        collected = _Collecting()
        await self._app(inner({**scope, "query_string": b""}, "/", self._root), receive, collected.send)
        return collected.status, collected.body.decode("utf-8", "replace")

    def close(self) -> None:
        """Let go of the pages that are open."""
        self._app.stop_event.set()

    def _check_file(self, path: str, owner: str) -> None:
        if path not in self._shared and not self._uploads.has(path, owner):
            raise RequestError("not-found", "there is no such file; upload it again")

    def _check_room(self) -> None:
        """Refuse uploads that would fill the disk, until older ones were removed."""
        if bytes_in(self._folder) > MOST_BYTES:
            raise RequestError("busy", "too many uploads are here already; try again in an hour")

    def _check_session(self, query: Mapping[str, list[str]], path: str, owner: str) -> None:
        named = query.get("session_hash", [])
        if path.startswith("/gradio_api/heartbeat/"):
            named = [*named, path.rpartition("/")[2]]
        for each in named:
            if self._sessions.setdefault(each, owner) != owner:
                raise RequestError("not-found", "the page is another caller's; load it again")
            self._sessions.move_to_end(each)
        while len(self._sessions) > REMEMBERED:
            self._sessions.popitem(last=False)

    async def _inputs(self, receive: Receive, owner: str) -> Receive:
        """The values of a page, after the files among them were found to be the caller's."""
        try:
            values = json.loads(await _body(receive))
        except (ValueError, RecursionError):
            raise RequestError("bad-request", "the request is no JSON; load the page again") from None
        if not isinstance(values, dict):
            raise RequestError("bad-request", "the request is no JSON object; load the page again")
        self._check_session({"session_hash": [str(values.get("session_hash"))]}, "", owner)
        self._check_values(values, owner)
        message: Message = {"type": "http.request", "body": json_bytes(values), "more_body": False}
        sent = iter([message])

        async def again() -> Message:
            return next(sent, None) or await receive()

        return again

    def _check_values(self, value: Any, owner: str) -> None:
        if isinstance(value, list):
            for each in value:
                self._check_values(each, owner)
        elif isinstance(value, dict):
            if "path" in value:
                self._check_file(str(value["path"]), owner)
                value.pop("url", None)
            for each in value.values():
                self._check_values(each, owner)


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


class _Collecting:
    def __init__(self) -> None:
        self.status, self.body = 500, b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")


class _Refusing:
    """Answers a request that is refused while it is read as all others are, not as Gradio would."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._error: RequestError | None = None

    async def receive(self) -> Message:
        try:
            return await self._receive()
        except RequestError as error:
            self._error = error
            raise

    async def send(self, message: Message) -> None:
        if self._error is None:
            await self._send(message)

    def tell(self) -> None:
        if self._error is not None:
            raise self._error


class _Uploading:
    """Notes whose the files of an upload are, which its answer names."""

    def __init__(self, send: Send, uploads: Known, owner: str) -> None:
        self._send, self._uploads, self._owner = send, uploads, owner
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self._note()
        await self._send(message)

    def _note(self) -> None:
        try:
            named = json.loads(self._body)
        except ValueError:
            return
        for path in named if isinstance(named, list) else []:
            self._uploads.add(str(path), self._owner)


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
