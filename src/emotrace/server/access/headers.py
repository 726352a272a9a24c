"""The headers of every answer, which keep browsers careful; a page that needs others sends its own."""

from __future__ import annotations

from starlette.types import Message, Scope, Send

API = ("/v1/", "/api/predict")
"""How paths begin that programs ask, not people."""

ALL = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages send their own
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would come without their origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(self), usb=()",
}

_PLAIN = [(name.lower().encode(), value.encode()) for name, value in ALL.items()]
_OVER_TLS = [*_PLAIN, (b"strict-transport-security", b"max-age=31536000")]


def is_api(path: str) -> bool:
    """Whether a path is for programs.

    >>> is_api("/v1/models"), is_api("/"), is_api("/gradio_api/info")
    (True, False, False)
    """
    return path.startswith(API) or path == "/v1"


def with_headers(scope: Scope, send: Send) -> Send:
    """A ``send`` that adds them to an answer.

    Args:
        scope: of the request.
        send: of the server.
    """

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = list(message.get("headers", ()))
            there = {name for name, _ in headers}
            ours = _OVER_TLS if scope["scheme"] in ("https", "wss") else _PLAIN
            message["headers"] = headers + [each for each in ours if each[0] not in there]
        await send(message)

    return sending
