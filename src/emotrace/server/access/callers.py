"""Who asks, and what they may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.requests import HTTPConnection

from emotrace.server.problems import RequestError

Scope = Literal["recognize", "history", "models", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a key may be allowed: to recognise; to see, judge and delete its own results; to load and unload
models; everything, and the results of all."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, as the guard found out.

    Attributes:
        key: identifier that results are kept under: ``"local"``, ``"token"`` or the id of an API key.
        name: for people.
        scopes: what may be done, of :data:`SCOPES`.

    >>> Caller("k1", "phone", frozenset({"recognize"})).may("history")
    False
    """

    key: str
    name: str
    scopes: frozenset[str]

    @property
    def admin(self) -> bool:
        """Whether the results of all callers may be seen."""
        return "admin" in self.scopes

    @property
    def owner(self) -> str | None:
        """Whose results may be seen: None is everybody's."""
        return None if self.admin else self.key

    def may(self, scope: Scope) -> bool:
        """Whether something of a scope may be done."""
        return self.admin or scope in self.scopes


LOCAL = Caller("local", "this machine", frozenset(SCOPES))
"""Everybody, where nothing asks who they are: on loopback only."""


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sent a request or opened a WebSocket.

    Raises:
        RequestError: ``unauthorized``, where no guard looked.
    """
    caller = connection.scope.get("state", {}).get("caller")
    if not isinstance(caller, Caller):
        raise RequestError("unauthorized", "nobody said who asks; sign in, or send an API key")
    return caller


async def check_again(connection: HTTPConnection) -> None:
    """Find out whether somebody who was let in would be let in now, for what lasts long.

    Raises:
        RequestError: ``unauthorized``: the key was revoked, or it or the session is over.
        StoreError: the database cannot be reached.
    """
    check: Callable[[], Awaitable[object]] | None = connection.scope.get("state", {}).get("check_again")
    if check is not None:
        await check()


def require(connection: HTTPConnection, scope: Scope) -> Caller:
    """Who sent a request, if they may do something.

    Args:
        connection: a request or a WebSocket.
        scope: one of :data:`SCOPES`.

    Raises:
        RequestError: ``forbidden``, or ``unauthorized``.
    """
    caller = caller_of(connection)
    if not caller.may(scope):
        raise RequestError(
            "forbidden",
            f"the key {caller.name!r} has no scope {scope!r}, which this needs; ask for a key that has",
        )
    return caller
