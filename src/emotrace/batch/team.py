"""Workers side by side: each takes the next recording when it is free; outcomes come in any order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol

from emotrace.batch.jobs import Outcome
from emotrace.batch.work import OnBug, Unit, outcomes_of
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from emotrace.recognition.parallel import GivenUp

AHEAD = 4
"""Outcomes for each worker that wait to be taken; more are not made."""


class Worker(Protocol):
    """Does one recording after the other."""

    def work(self, units: Iterator[Unit], go_on: Callable[[], None]) -> Iterator[Outcome]:
        """One outcome for each job of the units; ``go_on`` raises GivenUp when nobody waits for more."""

    def give_up(self) -> None:
        """Called by another thread: end what has begun."""


class ThreadWorker:
    """Works in this process.

    Args:
        recognizer: the model; shared by all workers.
        options: what is asked of each recording.
        on_bug: see :data:`~emotrace.batch.work.OnBug`.
        on_begin: told of each recording before it is read.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        options: PipelineOptions,
        on_bug: OnBug,
        on_begin: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._recognizer, self._options, self._on_bug = recognizer, options, on_bug
        self._on_begin = on_begin

    def work(self, units: Iterator[Unit], go_on: Callable[[], None]) -> Iterator[Outcome]:
        """See :meth:`Worker.work`."""

        def progress(_step: str, _done: float, _total: float) -> None:
            go_on()

        for unit in units:
            self._on_begin(unit.file)
            yield from outcomes_of(unit, self._recognizer, self._options, self._on_bug, progress)

    def give_up(self) -> None:
        """``go_on`` is enough."""


def outcomes_from(workers: Sequence[Worker], units: Iterable[Unit]) -> Generator[Outcome, None, None]:
    """The outcomes of all units; when the iterator is closed, what has begun ends early.

    Args:
        workers: each gets a thread.
        units: taken one by one.
    """
    team = _Team(workers, units)
    try:
        yield from team.outcomes()
    finally:
        team.end()


class _Team:
    def __init__(self, workers: Sequence[Worker], units: Iterable[Unit]) -> None:
        self._workers, self._units = workers, iter(units)
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._done: queue.Queue[Outcome | BaseException | None] = queue.Queue(AHEAD * len(workers))
        self._threads = [
            threading.Thread(target=self._run, args=[worker], name=f"emotrace-{i}")
            for i, worker in enumerate(workers)
        ]

    def outcomes(self) -> Iterator[Outcome]:
        working = len(self._threads)
        for thread in self._threads:
            thread.start()
        while working:
            item = self._done.get()
            if item is None:
                working -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    def end(self) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.give_up()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self, worker: Worker) -> None:
        try:
            for outcome in worker.work(self._take(), self._go_on):
                self._put(outcome)
            self._put(None)
        except GivenUp:
            pass
        except BaseException as error:
            self._put(error)

    def _take(self) -> Iterator[Unit]:
        while not self._stop.is_set():
            with self._taking:
                unit = next(self._units, None)
            if unit is None:
                return
            yield unit

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise GivenUp

    def _put(self, item: Outcome | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._done.put(item, timeout=0.1)
            except queue.Full:
                continue
            return
