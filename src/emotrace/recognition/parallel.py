"""Many recordings at a time: in order, read ahead a little, their waveforms gathered where that pays."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from emotrace.models.card import ModelCard
from emotrace.models.encoder import Encoder, Encoding
from emotrace.results import Array, ModelInfo

Item = TypeVar("Item")
Result = TypeVar("Result")


class GivenUp(BaseException):
    """Ends a recognition whose result nobody waits for any more."""


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    given_up: threading.Event | None = None,
) -> Iterator[Result]:
    """``map(work, items)`` with several threads.

    One worker is none: each item is then taken when its result is asked for. With more, up to twice as many
    items are taken ahead. An error of ``work`` comes in its place; then, or when the iterator is closed, no
    further item is begun.

    Args:
        work: what is done with an item.
        items: taken by the thread that asks for results.
        workers: threads.
        given_up: is set when no further result is wanted, so that work that has begun can end early.

    >>> list(in_order(str.upper, "abc", workers=2))
    ['A', 'B', 'C']
    """
    if workers <= 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, "emotrace")
    try:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if given_up is not None:
            given_up.set()
        pool.shutdown(wait=True, cancel_futures=True)


class Gathering:
    """An Encoder that makes one batch of what many threads ask for at the same time.

    Whoever comes while a batch runs, waits; the first of those takes all that wait along. A GPU is busy with
    tens of clips at once as quickly as with one.

    Args:
        encoder: the model.

    >>> import numpy as np
    >>> from emotrace.models.encoder import FakeEncoder
    >>> len(Gathering(FakeEncoder()).encode([np.ones(1600, np.float32)]))
    1
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._running = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[Request] = []

    @property
    def card(self) -> ModelCard:
        """What the model is."""
        return self._encoder.card

    @property
    def info(self) -> ModelInfo:
        """Which graph runs, and where."""
        return self._encoder.info

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :meth:`emotrace.models.encoder.Encoder.encode`."""
        request = Request(waveforms, references)
        with self._guard:
            self._waiting.append(request)
        with self._running:
            if request.result is None:
                with self._guard:
                    taken, self._waiting = self._waiting, []
                self._serve(taken)
        return request.answer()

    def _serve(self, requests: list[Request]) -> None:
        try:
            results = self._encoder.encode(
                [w for r in requests for w in r.waveforms], [s for r in requests for s in r.references]
            )
        except Exception as error:
            if len(requests) == 1:
                requests[0].result = error
                return
            for request in requests:  # the error is of one of them only
                self._serve([request])
            return
        for request in requests:
            request.result, results = results[: len(request.waveforms)], results[len(request.waveforms) :]


class Request:
    """What one thread asks an encoder for.

    Args:
        waveforms: see :meth:`emotrace.models.encoder.Encoder.encode`.
        references: see there.
    """

    def __init__(self, waveforms: Sequence[Array], references: Sequence[Array | None] | None) -> None:
        self.waveforms = list(waveforms)
        self.references = list(references or [None] * len(waveforms))
        self.result: list[Encoding] | Exception | None = None

    def answer(self) -> list[Encoding]:
        """The result, or its error raised, once it is there."""
        if isinstance(self.result, Exception):
            raise self.result
        assert self.result is not None
        return self.result
