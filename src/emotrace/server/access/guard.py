"""Who may ask: the right address and host, no page of another site, a key or a session, not too often."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from functools import partial
from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emotrace.errors import EmotraceError
from emotrace.server.access.authentication import Authentication, Credential
from emotrace.server.access.callers import LOCAL
from emotrace.server.access.headers import is_api, with_headers
from emotrace.server.access.limits import Limits, place_of
from emotrace.server.address import is_address, is_loopback, is_within, network_of
from emotrace.server.problems import RequestError, problem_response
from emotrace.server.settings import Settings

OPEN = frozenset({"/v1/health", "/v1/ready"})
"""Routes that tell nothing and need no key."""

HEAD_BYTES = 32 * 1024
"""Of a request: its line and headers."""

METRICS = "/v1/metrics"
SIGN_IN = "/sign-in"
COOKIE = "emotrace"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MADE = ("/ui/results/", "/ui/batches/")
_GRADIO = re.compile(r"/ui/\w+/gradio_api/")

KEY_PROTOCOL = "emotrace.key."
"""With a key behind it, a subprotocol that a page offers for its WebSocket."""
_NOBODY = Credential(LOCAL, "")


class Guard:
    """Refuses requests and WebSockets before anything of them is read, and says who sends the others.

    * Where nothing asks who somebody is, the service is for this machine alone, so a Host header that names
      another one is of a page that had its own name point here (DNS rebinding).
    * A request with the Origin of another site is of a page that its user did not mean to give access.
    * Programs send a key; browsers have a session, which only pages of this service may use.

    Args:
        app: what is guarded.
        settings: of the service.
        authentication: knows keys and sessions.
    """

    def __init__(self, app: ASGIApp, settings: Settings, authentication: Authentication) -> None:
        self._app, self._settings, self._authentication = app, settings, authentication
        self._limits = Limits()
        self._hosts = {settings.host.lower()} - {""}
        if settings.insecure:
            self._hosts.add(socket.gethostname().lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = with_headers(scope, send)
        with ExitStack() as until_end:
            try:
                await self._admit(HTTPConnection(scope), until_end)
            except EmotraceError as error:
                await _refuse(error, scope, receive, send)
                return
            await self._app(scope, receive, send)

    async def _admit(self, connection: HTTPConnection, until_end: ExitStack) -> None:
        path = connection.scope["path"]
        address = connection.client.host if connection.client else ""
        self._check_address(address)
        self._check_size(connection)
        required = await self._authentication.required()
        self._check_host(connection, required)
        self._check_origin(connection)
        if path in OPEN or path == SIGN_IN or self._is_open_here(path, address):
            return
        credential = await self._credential(connection, address)
        state = connection.scope.setdefault("state", {})
        state["caller"] = credential.caller
        state["check_again"] = partial(self._credential, connection, address)
        name = network_of(address) if credential is _NOBODY else credential.caller.key
        most = self._settings.concurrency if credential.concurrency is None else credential.concurrency
        state["place"] = partial(self._limits.place, name, most)
        if _is_counted(connection):
            rate = credential.rate_per_minute
            self._limits.count(name, self._settings.rate_per_minute if rate is None else rate)
            if not _GRADIO.match(path):  # its pages take a place for what they begin
                until_end.enter_context(place_of(connection)())

    def _is_open_here(self, path: str, address: str) -> bool:
        return path == METRICS and self._settings.metrics_open and is_loopback(address)

    def _check_address(self, address: str) -> None:
        allowed = self._settings.allow_ips
        if allowed and not is_within(address, allowed):
            raise RequestError(
                "forbidden", "requests from this address are not taken; ask who runs the service"
            )

    def _check_host(self, connection: HTTPConnection, required: bool) -> None:
        if required:
            return
        name = _split(f"//{connection.headers.get('host', '')}")[0]
        if is_loopback(name) or name in self._hosts or (self._settings.insecure and is_address(name)):
            return
        raise RequestError("wrong-host", "the Host header names another host; ask for 127.0.0.1 or localhost")

    def _check_origin(self, connection: HTTPConnection) -> None:
        origin = connection.headers.get("origin")
        host = connection.headers.get("host", "").lower()
        if origin is None or origin in self._settings.cors_origins or _split(origin)[1] == host:
            return
        raise RequestError(
            "cross-origin", "the request comes from a page of another site; send it from a program"
        )

    def _check_size(self, connection: HTTPConnection) -> None:
        scope = connection.scope
        line = len(scope["path"]) + len(scope.get("query_string", b""))
        if line + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > HEAD_BYTES:
            raise RequestError(
                "headers",
                f"address and headers have more than {HEAD_BYTES} bytes; send fewer or shorter ones",
            )

    async def _credential(self, connection: HTTPConnection, address: str) -> Credential:
        if not await self._authentication.required():
            return _NOBODY
        key = _sent_key(connection)
        if key:
            return await self._authentication.bearer(key, address)
        cookie = connection.cookies.get(COOKIE)
        if cookie is not None and _from_own_page(connection):
            credential = await self._authentication.session(cookie)
            if credential is not None:
                return credential
        raise RequestError(
            "unauthorized",
            "no key came; send the header 'Authorization: Bearer KEY', or sign in",
            {"WWW-Authenticate": 'Bearer realm="emotrace"'},
        )


def _is_counted(connection: HTTPConnection) -> bool:
    """Whether a request is one of those that are limited: not each picture of a page."""
    path = connection.scope["path"]
    return is_api(path) or path.startswith(_MADE) or connection.scope.get("method") not in _SAFE


async def _refuse(error: EmotraceError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
    await _answer(error, scope)(scope, receive, send)


def _answer(error: EmotraceError, scope: Scope) -> Response:
    """A problem, or for a person the page where one signs in."""
    connection = HTTPConnection(scope)
    page = scope.get("method") == "GET" and "text/html" in connection.headers.get("accept", "")
    if error.code == "unauthorized" and page and not is_api(scope["path"]):
        return RedirectResponse(f"{SIGN_IN}?next={quote(scope['path'])}", 303)
    return problem_response(error)


def _sent_key(connection: HTTPConnection) -> str:
    """The key of the header; of a WebSocket also of its subprotocols, since pages cannot set its headers."""
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    offered = connection.scope.get("subprotocols", [])
    return next((name[len(KEY_PROTOCOL) :] for name in offered if name.startswith(KEY_PROTOCOL)), "")


def _from_own_page(connection: HTTPConnection) -> bool:
    """Whether a session may be used: not from other pages.

    What changes something, and a WebSocket, must say that a page of this service sends it; browsers do.
    """
    if connection.scope.get("method") in _SAFE:
        return True
    host = connection.headers.get("host", "").lower()
    return _split(connection.headers.get("origin", ""))[1] == host


def _split(url: str) -> tuple[str, str]:
    """Host name and network location of a URL, both empty if it is none."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.netloc.lower()
    except ValueError:
        return "", ""
