"""What both clients have in common: the address, the key, how long they wait, what a broken line becomes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import emotrace
from emotrace.errors import MissingExtraError, OptionError, ServerError

CONNECT_SECONDS = 10.0


def settings_of(url: str, key: str | None, timeout: float, verify: bool | str) -> dict[str, Any]:
    """Arguments of a client of httpx.

    Raises:
        OptionError: the address is no URL of a server, or the key cannot be sent.
        MissingExtraError: httpx is not installed.

    >>> settings_of("127.0.0.1:7860", None, 60, True)
    Traceback (most recent call last):
    emotrace.errors.OptionError: the server's address is '127.0.0.1:7860'; expected one like http://127.0.0.1:7860
    """
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError(
            "the client needs httpx, which is not installed; run: pip install 'emotrace[client]'"
        ) from error
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        fit = False
    if not fit:
        raise OptionError(f"the server's address is {url!r}; expected one like http://127.0.0.1:7860")
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise OptionError("the key has spaces or characters beyond ASCII; expected it as it was given out")
    headers = {"User-Agent": f"emotrace/{emotrace.__version__}"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return {
        "base_url": url.rstrip("/"),
        "headers": headers,
        "timeout": httpx.Timeout(timeout, connect=CONNECT_SECONDS),
        "verify": verify,
        "trust_env": False,  # recordings go where they were sent, not to a proxy that somebody configured
    }


def broken(url: object, error: Exception) -> ServerError:
    """What a line that broke is."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return ServerError(
            f"the server at {url} did not answer in time; try again, or give it longer", problem="timeout"
        )
    if isinstance(error, httpx.ConnectError):
        return ServerError(
            f"the server at {url} cannot be reached: {str(error) or 'no connection'}; is it running?",
            problem="unreachable",
        )
    return ServerError(
        f"the connection to {url} broke: {str(error) or type(error).__name__}; try again", problem="broken"
    )
