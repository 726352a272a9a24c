"""What stands before the service: proxies, certificates, and pages of other sites that may ask."""

from __future__ import annotations

import ssl
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from emotrace.errors import OptionError
from emotrace.server.address import plain_address
from emotrace.server.settings import Settings


class Proxies:
    """Believes what trusted proxies say of the address and the scheme of a request, and nobody else.

    Args:
        app: gets the request.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        trusted = list(settings.trusted_proxies)
        self._app: Any = ProxyHeadersMiddleware(app, trusted) if trusted else app  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("client"):
            host, port = scope["client"]
            scope["client"] = (plain_address(host), port)
        await self._app(scope, receive, send)


def cors_of(settings: Settings) -> dict[str, Any]:
    """What pages of other sites may do: ask with a key of their own, never with a session.

    Args:
        settings: name their origins.
    """
    return {
        "allow_origins": settings.cors_origins,
        "allow_methods": ("GET", "POST", "DELETE"),
        "allow_headers": ("Authorization", "Content-Type"),
        "expose_headers": ("Retry-After", "X-Request-Id"),
        "max_age": 600,
    }


def tls_of(settings: Settings) -> dict[str, Any]:
    """The files of TLS for Uvicorn; none without a certificate.

    Raises:
        OptionError: one is missing, or they cannot be used.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return {}
    if cert is None or key is None:
        raise OptionError("TLS needs both the certificate and its key; give tls_cert and tls_key")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, lambda: "")
    except (OSError, ValueError) as problem:
        reason = (problem.strerror or "").lower() if isinstance(problem, OSError) else str(problem)
        raise OptionError(
            f"the certificate {str(cert)!r} and the key {str(key)!r} cannot be used: {reason or 'unknown'}; "
            "expected PEM files that belong together, the key without a password"
        ) from problem
    return {"ssl_certfile": cert, "ssl_keyfile": key}
