"""All live streams of a service: how many there may be, their threads, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from emotrace.server.problems import RETRY_SECONDS, RequestError

Result = TypeVar("Result")

LAST_SECONDS = 10.0
"""What streams have to take their last message in, when the service stops."""


WAITING = 256
"""Streams that may be open before they said what they are."""


class Streams:
    """The live streams.

    Args:
        most: at the same time.
        threads: that recognise them; theirs alone, so that no stream waits behind an hour of recording.

    Attributes:
        taken: how many there are.
        stopping: is set when the service stops.

    >>> streams = Streams(1, 1)
    >>> with streams.place():
    ...     streams.taken
    1
    """

    def __init__(self, most: int, threads: int) -> None:
        self._most = most
        self._pool = ThreadPoolExecutor(threads, "emotrace-stream")
        self.taken = 0
        self._waiting = 0
        self.stopping = asyncio.Event()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one stream.

        Raises:
            RequestError: ``busy`` or ``stopping``.
        """
        self._check(self.taken, self._most)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Room for a stream that has not said yet what it is, which keeps no place from others.

        Raises:
            RequestError: ``busy``, also where there is no place anyway, or ``stopping``.
        """
        self._check(self.taken, self._most)
        self._check(self._waiting, WAITING)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _check(self, count: int, most: int) -> None:
        if self.stopping.is_set():
            raise RequestError("stopping", "the service is being stopped; come again in a moment")
        if count >= most:
            raise RequestError(
                "busy",
                f"{count} streams are open already, which is all there is room for; try again in "
                f"{RETRY_SECONDS} s",
            )

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of a short piece of work, in a thread of the streams."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def close(self) -> None:
        """Tell all streams to end, and wait until they have, or for so long as a client may take."""
        self.stopping.set()
        end = asyncio.get_running_loop().time() + LAST_SECONDS
        while self.taken + self._waiting and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        self._pool.shutdown(wait=False)
