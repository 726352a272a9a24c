"""Who may ask: the right host, no page of another site, the token; and headers that keep browsers careful."""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotrace.server.address import is_loopback
from emotrace.server.problems import RequestError, problem_response
from emotrace.server.settings import Settings

OPEN = frozenset({"/v1/health", "/v1/ready"})
"""Routes that tell nothing and need no token."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses requests before anything of them is read.

    * Without a token the service is for this machine alone, so a Host header that names another one is of
      a page that had its own name point here (DNS rebinding).
    * A request with the Origin of another site is of a page that its user did not mean to give access.

    Args:
        app: what is guarded.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._host = app, settings.host
        token = settings.token
        self._token = None if token is None else _digest(token.get_secret_value())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
        except RequestError as error:
            await problem_response(error)(scope, receive, sending)
            return
        await self._app(scope, receive, sending)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._token is None and not self._knows(host):
            raise RequestError(
                "wrong-host", "the Host header names another host; ask for 127.0.0.1 or localhost"
            )
        origin = headers.get("origin")
        if origin is not None and _split(origin)[1] != host.lower():
            raise RequestError(
                "cross-origin", "the request comes from a page of another site; send it from a program"
            )
        if self._token is not None and scope["path"] not in OPEN:
            self._check_token(headers)

    def _knows(self, host: str) -> bool:
        name = _split(f"//{host}")[0]
        return is_loopback(name) or name == self._host.lower()

    def _check_token(self, headers: Headers) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = scheme.lower() == "bearer" and hmac.compare_digest(_digest(given.strip()), self._token or b"")
        if not right:
            raise RequestError(
                "unauthorized",
                "the token is missing or wrong; send the header 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": 'Bearer realm="emotrace"'},
            )


def _split(url: str) -> tuple[str, str]:
    """Host name and network location of a URL, both empty if it is none."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.netloc.lower()
    except ValueError:
        return "", ""


def _digest(token: str) -> bytes:
    """Of equal length for all tokens, so that comparing them takes equally long."""
    return sha256(token.encode("utf-8", "backslashreplace")).digest()
