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
        self.stopping = asyncio.Event()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one stream.

        Raises:
            RequestError: ``busy`` or ``stopping``.
        """
        if self.stopping.is_set():
            raise RequestError("stopping", "the service is being stopped; come again in a moment")
        if self.taken >= self._most:
            raise RequestError(
                "busy",
                f"{self.taken} streams are open already, which is all there is room for; try again in "
                f"{RETRY_SECONDS} s",
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of a short piece of work, in a thread of the streams."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def close(self) -> None:
        """Tell all streams to end, and wait until they have, or for so long as a client may take."""
        self.stopping.set()
        end = asyncio.get_running_loop().time() + LAST_SECONDS
        while self.taken and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
        self._pool.shutdown(wait=False)
