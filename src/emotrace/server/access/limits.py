"""How often and how much at a time: token buckets and places, by name, in bounded memory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from starlette.requests import HTTPConnection

from emotrace.server.problems import RETRY_SECONDS, RequestError

Place = Callable[[], AbstractContextManager[None]]
"""Gives one of the places of :meth:`Limits.place`."""

MOST_NAMES = 10_000
"""Buckets that are remembered; those that were not used for longest are forgotten."""


class Buckets:
    """One token bucket for each name: full at first, a token goes in at a steady rate.

    Args:
        clock: seconds.
        most: names that are remembered.

    >>> buckets = Buckets(clock=lambda: 0.0)
    >>> [buckets.take("a", per_minute=60, size=2) for _ in range(3)]
    [0.0, 0.0, 1.0]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_NAMES) -> None:
        self._clock, self._most = clock, most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, per_minute: float, size: float) -> float:
        """Take a token and give 0; or the seconds until there is one.

        Args:
            name: of the bucket.
            per_minute: tokens that go in.
            size: tokens that it holds.
        """
        now = self._clock()
        level, then = self._levels.pop(name, (size, now))
        level = min(size, level + (now - then) * per_minute / 60)
        enough = level >= 1
        self._levels[name] = (level - enough, now)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return 0.0 if enough else (1 - level) * 60 / per_minute

    def give_back(self, name: str, size: float) -> None:
        """Put a token back.

        Args:
            name: of the bucket.
            size: tokens that it holds.
        """
        if name in self._levels:
            level, then = self._levels[name]
            self._levels[name] = (min(size, level + 1), then)


class Limits:
    """How many requests of one caller are let in, in a minute and at the same time.

    Args:
        clock: seconds.

    >>> limits = Limits()
    >>> with limits.place("phone", 1), limits.place("phone", 1):
    ...     pass
    Traceback (most recent call last):
    emotrace.server.problems.RequestError: 1 requests of this caller run already; try again in 5 s
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = Buckets(clock)
        self._running: dict[str, int] = {}

    def count(self, name: str, per_minute: int) -> None:
        """Count a request; up to a minute's worth may come at once.

        Args:
            name: of the caller.
            per_minute: 0 is no limit.

        Raises:
            RequestError: ``rate``.
        """
        wait = self._buckets.take(name, per_minute, per_minute) if per_minute else 0.0
        if wait:
            raise slow_down(f"more than {per_minute} requests a minute came from this caller", wait)

    @contextmanager
    def place(self, name: str, most: int) -> Iterator[None]:
        """Count a request while it runs.

        Args:
            name: of the caller.
            most: at the same time; 0 is no limit.

        Raises:
            RequestError: ``busy``.
        """
        running = self._running.get(name, 0)
        if most and running >= most:
            raise RequestError(
                "busy",
                f"{most} requests of this caller run already; try again in {RETRY_SECONDS} s",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self._running[name] = running + 1
        try:
            yield
        finally:
            self._running[name] -= 1
            if not self._running[name]:
                del self._running[name]


def place_of(connection: HTTPConnection) -> Place:
    """Gives more places to who sent a request, for work that goes on after its answer.

    Raises:
        RequestError: ``unauthorized``, where no guard looked.
    """
    place: Place | None = connection.scope.get("state", {}).get("place")
    if place is None:
        raise RequestError("unauthorized", "nobody said who asks; sign in, or send an API key")
    return place


def slow_down(reason: str, wait: float) -> RequestError:
    """An error ``rate`` that says when to come again.

    Args:
        reason: what came.
        wait: seconds.
    """
    seconds = max(1, math.ceil(wait))
    return RequestError("rate", f"{reason}; try again in {seconds} s", {"Retry-After": str(seconds)})
