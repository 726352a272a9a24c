"""The headers of every answer, which keep browsers careful."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

API = ("/v1/", "/api/predict")
"""How paths begin that programs ask, not people."""

KEPT = ("/assets/", "/static/", "/svelte/")
"""Paths of the web page's own files, which a browser may keep."""

ALL = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would come without their origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(self), usb=()",
}

API_POLICY = "default-src 'none'; frame-ancestors 'none'"

PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline'",  # Gradio writes its settings into the page
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""What Gradio's pages need: everything from here, nothing from any other host."""


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
    path = scope["path"]

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in ALL.items():
                headers.setdefault(name, value)
            kept = path.startswith(KEPT)
            page = kept or headers.get("content-type", "").startswith("text/html")
            headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else API_POLICY)
            if not kept:
                headers.setdefault("Cache-Control", "no-store")
            if scope["scheme"] in ("https", "wss"):
                headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        await send(message)

    return sending
