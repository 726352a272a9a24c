"""Where the service listens, and whether it may."""

from __future__ import annotations

import ipaddress
import socket

from emotrace.errors import OptionError
from emotrace.server.settings import Settings

BACKLOG = 256


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, is this machine alone.

    >>> is_loopback("127.0.0.5"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        OptionError: other machines could reach it and there is no token; or the address is not to be had.
    """
    family, address = _resolved(settings)
    if settings.token is None and not is_loopback(address[0]):
        raise OptionError(
            f"the host {settings.host!r} would open the service to other machines without asking who they "
            "are; give it a token (EMOTRACE_TOKEN or --token-file), or stay on 127.0.0.1"
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        reason = (problem.strerror or str(problem)).lower()
        raise OptionError(
            f"port {settings.port} of {settings.host!r} cannot be used: {reason}; choose another with --port"
        ) from problem
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a browser finds it.

    >>> with listen(Settings(port=0)) as listener:
    ...     url_of(listener).rpartition(":")[0]
    'http://127.0.0.1'
    """
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _resolved(settings: Settings) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as problem:
        raise OptionError(
            f"the host {settings.host!r} is no address of this machine; expected one such as 127.0.0.1"
        ) from problem
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))
