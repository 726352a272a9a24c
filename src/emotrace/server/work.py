"""Threads behind a bounded queue, with a deadline for each piece of work."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from emotrace.recognition.parallel import GivenUp
from emotrace.server.problems import RequestError
from emotrace.server.turns import Turns

Result = TypeVar("Result")
GoOn = Callable[..., None]
"""Called by work now and then, as ``on_progress`` is: ends it when nobody waits for its result any more."""

LONGEST_RETRY = 60
_NEWEST = 0.2  # weight of the newest duration in their mean


@dataclass(frozen=True, slots=True)
class _Piece:
    """Work that waits."""

    future: Future[Any]
    work: Callable[[], Any]

    def do(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.work()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class ClientGoneError(Exception):
    """Nobody is there any more to be answered."""


class WorkQueue:
    """Runs work in threads; what comes when too much waits already is refused.

    Those who wait take turns: a caller who sends a hundred recordings does not keep back one who sends two.

    Args:
        workers: pieces of work at a time.
        begun: pieces of work that may have begun; those beyond the others wait for the network.
        waiting: pieces of work that may wait for one.

    Attributes:
        turns: of the threads.

    >>> queue = WorkQueue(workers=1, begun=1, waiting=4)
    >>> async def stays() -> None:
    ...     await asyncio.Event().wait()
    >>> asyncio.run(queue.run(lambda go_on: 6 * 7, seconds=10, gone=stays()))
    42
    >>> queue.close()
    """

    def __init__(self, workers: int, begun: int, waiting: int) -> None:
        self.workers, self._places = workers, workers + waiting
        self.turns = Turns(workers)
        self._pool = ThreadPoolExecutor(begun, "emotrace-server")
        self._lock = threading.Lock()
        self._taken = 0
        self._mean = 1.0
        self._waiting: dict[str, deque[_Piece]] = {}  # by caller, whoever is next first

    @property
    def taken(self) -> int:
        """Pieces of work that run or wait."""
        return self._taken

    def check(self, coming: int = 0) -> None:
        """Refuse what would be refused, before its body is read.

        Args:
            coming: pieces of work that are on their way here.

        Raises:
            RequestError: ``busy``.
        """
        if self._taken + coming >= self._places:
            raise self._busy()

    async def run(
        self,
        work: Callable[[GoOn], Result],
        *,
        seconds: float,
        gone: Coroutine[Any, Any, None],
        at_end: Callable[[], None] | None = None,
        caller: str = "",
    ) -> Result:
        """The result of work in a thread.

        Args:
            work: called with a :data:`GoOn`.
            seconds: until the result must be there, waiting included.
            gone: ends when the client went away.
            at_end: called once, when the work has ended or will never begin.
            caller: whose turn it takes.

        Raises:
            RequestError: ``busy`` or ``deadline``.
            ClientGoneError: the client went away.
        """
        watcher = asyncio.ensure_future(gone)
        given_up = threading.Event()
        try:
            waiting = asyncio.wrap_future(self._submit(work, given_up, at_end, caller))
            both: set[asyncio.Future[Any]] = {waiting, watcher}
            try:
                done, _ = await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                if waiting in done:
                    return waiting.result()
            finally:
                given_up.set()
                waiting.cancel()
        finally:
            watcher.cancel()
        if watcher in done:
            raise ClientGoneError
        raise RequestError(
            "deadline",
            f"there was no answer within {seconds:g} s; try again later, or send a shorter recording",
        )

    def close(self) -> None:
        """Wait until all work has ended."""
        self._pool.shutdown(wait=True)

    def _submit(
        self,
        work: Callable[[GoOn], Result],
        given_up: threading.Event,
        at_end: Callable[[], None] | None,
        caller: str,
    ) -> Future[Result]:
        def go_on(*progress: object) -> None:
            if given_up.is_set():
                raise GivenUp

        def timed() -> Result:
            go_on()
            start = time.monotonic()
            result = work(go_on)
            self._mean += _NEWEST * (time.monotonic() - start - self._mean)
            return result

        def leave(_: Future[Result] | None) -> None:
            with self._lock:
                self._taken -= 1
            if at_end is not None:
                at_end()

        future: Future[Result] = Future()
        future.add_done_callback(leave)
        with self._lock:
            self._taken += 1
            full = self._taken > self._places
            if not full:  # its context has the id of the request
                piece = _Piece(future, partial(copy_context().run, timed))
                self._waiting.setdefault(caller, deque()).append(piece)
        if full:
            busy = self._busy()
            future.cancel()
            raise busy
        self._pool.submit(self._next)
        return future

    def _next(self) -> None:
        """Do the first piece of the caller who is next, who is then last."""
        with self.turns.place():
            with self._lock:
                caller, pieces = next(iter(self._waiting.items()))
                piece = pieces.popleft()
                del self._waiting[caller]
                if pieces:
                    self._waiting[caller] = pieces
            piece.do()

    def _busy(self) -> RequestError:
        wait = min(LONGEST_RETRY, max(1, math.ceil(self._taken * self._mean / self.workers)))
        return RequestError(
            "busy",
            f"{self._taken} requests run or wait already, which is all there is room for; "
            f"try again in {wait} s",
            {"Retry-After": str(wait)},
        )
