"""The headers of every answer, which keep browsers careful; a page that needs others sends its own."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
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
            headers = MutableHeaders(scope=message)
            for name, value in ALL.items():
                headers.setdefault(name, value)
            if scope["scheme"] in ("https", "wss"):
                headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        await send(message)

    return sending
