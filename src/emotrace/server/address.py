"""Where the service listens, and whether it may."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache

from emotrace.errors import OptionError
from emotrace.server.settings import Settings

BACKLOG = 256


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, is this machine alone.

    >>> is_loopback("127.0.0.5"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    found = _parsed(host)
    return host.lower() == "localhost" or (found is not None and found.is_loopback)


def is_address(host: str) -> bool:
    """Whether it is an address rather than a name, which could be made to point anywhere.

    >>> is_address("192.168.1.5"), is_address("example.org")
    (True, False)
    """
    return _parsed(host) is not None


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of several networks; what is no address is in none.

    >>> is_within("10.1.2.3", ["10.0.0.0/8"]), is_within("::ffff:10.1.2.3", ["10.1.2.3"])
    (True, True)
    """
    found = _parsed(address)
    return found is not None and any(found in ipaddress.ip_network(network) for network in networks)


def network_of(address: str) -> str:
    """What one customer of a network has: an address, or of IPv6 the first half.

    >>> network_of("10.1.2.3"), network_of("2001:db8::1:2"), network_of("testclient")
    ('10.1.2.3', '2001:db8::/64', 'testclient')
    """
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address if found is None else str(found)


def plain_address(address: str) -> str:
    """An address as everybody writes it, where a socket for both kinds writes IPv4 as IPv6.

    >>> plain_address("::ffff:10.1.2.3"), plain_address("testclient")
    ('10.1.2.3', 'testclient')
    """
    found = _parsed(address)
    return address if found is None else str(found)


@lru_cache(1024)  # each request asks for its client's several times
def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_local(settings: Settings) -> bool:
    """Whether only this machine can reach the service.

    Raises:
        OptionError: the host is no address of this machine.

    >>> is_local(Settings()), is_local(Settings.of(host="0.0.0.0"))
    (True, False)
    """
    return is_loopback(_resolved(settings)[1][0])


def check_asked(settings: Settings, asked: bool) -> None:
    """Refuse to open the service to other machines without asking who they are.

    Args:
        settings: of the service.
        asked: whether a key or the token must be sent.

    Raises:
        OptionError: it would be; or the host is no address of this machine.
    """
    if asked or settings.insecure or is_local(settings):
        return
    raise OptionError(
        f"the host {settings.host!r} would open the service to other machines without asking who they are; "
        "make a key (emotrace keys create NAME), give it a token (EMOTRACE_TOKEN or --token-file), or stay "
        "on 127.0.0.1"
    )


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say; :func:`check_asked` says whether it may.

    Raises:
        OptionError: the address is not to be had.
    """
    family, address = _resolved(settings)
    # asyncio sends small packets at once only where the protocol is named; else an answer waits 40 ms for an
    # acknowledgement between its head and its body
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def url_of(listener: socket.socket, tls: bool = False) -> str:
    """Where a browser finds it.

    Args:
        listener: from :func:`listen`.
        tls: whether it is encrypted.

    >>> with listen(Settings(port=0)) as listener:
    ...     url_of(listener).rpartition(":")[0]
    'http://127.0.0.1'
    """
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


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
