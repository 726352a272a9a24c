"""Who does the work: the seam, and the engine of one machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Protocol

from emotrace.batch.jobs import Job, Outcome
from emotrace.batch.work import OnBug, Unit, outcomes_of, units_of
from emotrace.errors import OptionError
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from emotrace.recognition.parallel import Gathering, GivenUp
from emotrace.results import Failure, ModelInfo

AHEAD = 4
"""Outcomes for each worker that wait to be taken; more are not made."""

CUDA_WORKERS = 16
"""Recordings that are decoded at the same time for a GPU."""


class Engine(Protocol):
    """Makes one outcome of each job, in any order."""

    @property
    def info(self) -> ModelInfo:
        """Which model runs, and where."""

    @property
    def options(self) -> PipelineOptions:
        """What is asked of each recording."""

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Do the work; when the iterator is closed, what has begun ends early and nothing more begins.

        Args:
            jobs: none with a failure, none twice.
        """


def bug(file: str, error: Exception) -> Failure:
    """The Failure of an error that nobody foresaw.

    >>> bug("a.wav", KeyError("x")).reason
    "unexpected error: KeyError: 'x'"
    """
    return Failure(file, "bug", f"unexpected error: {type(error).__name__}: {error}")


class LocalEngine:
    """Threads of this machine: they decode, check and recognise recordings side by side.

    Args:
        recognizer: the model; its inferences run outside of Python's lock.
        options: what is asked of each recording; None is ``PipelineOptions()``.
        workers: threads.
        on_bug: what becomes of an error that nobody foresaw.

    Raises:
        OptionError: there is no worker.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> engine = LocalEngine(Recognizer(encoder=FakeEncoder()), workers=2)
    >>> [outcome.result.code for outcome in engine.run([Job("missing.wav")])]
    ['audio']
    """

    def __init__(
        self,
        recognizer: Recognizer,
        options: PipelineOptions | None = None,
        *,
        workers: int = 1,
        on_bug: OnBug = bug,
    ) -> None:
        if workers < 1:
            raise OptionError(f"workers is {workers}; expected 1 or more")
        self._recognizer = recognizer
        self._options = options or PipelineOptions()
        self.workers = workers
        self._on_bug = on_bug

    @property
    def info(self) -> ModelInfo:
        """Which model runs, and where."""
        return self._recognizer.info

    @property
    def options(self) -> PipelineOptions:
        """What is asked of each recording."""
        return self._options

    def run(self, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """See :meth:`Engine.run`."""
        team = _Team(units_of(jobs), self._recognizer, self._options, self._on_bug, self.workers)
        return team.outcomes()


class _Team:
    """The threads of one run."""

    def __init__(
        self,
        units: list[Unit],
        recognizer: Recognizer,
        options: PipelineOptions,
        on_bug: OnBug,
        workers: int,
    ) -> None:
        self._units = iter(units)
        self._recognizer, self._options, self._on_bug = recognizer, options, on_bug
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._done: queue.Queue[Outcome | BaseException | None] = queue.Queue(AHEAD * workers)
        count = min(workers, len(units))
        self._threads = [threading.Thread(target=self._work, name=f"emotrace-{i}") for i in range(count)]

    def outcomes(self) -> Generator[Outcome, None, None]:
        working = len(self._threads)
        try:
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
        finally:
            self._stop.set()
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join()

    def _work(self) -> None:
        try:
            while (unit := self._take()) is not None:
                for outcome in outcomes_of(unit, self._recognizer, self._options, self._on_bug, self._go_on):
                    self._put(outcome)
            self._put(None)
        except GivenUp:
            pass
        except BaseException as error:
            self._put(error)

    def _take(self) -> Unit | None:
        with self._taking:
            return None if self._stop.is_set() else next(self._units, None)

    def _go_on(self, _step: str, _done: float, _total: float) -> None:
        if self._stop.is_set():
            raise GivenUp

    def _put(self, item: Outcome | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._done.put(item, timeout=0.1)
            except queue.Full:
                continue
            return


def local_engine(
    model: str = "auto",
    options: PipelineOptions | None = None,
    *,
    precision: str = "auto",
    device: str = "auto",
    runtime: str = "auto",
    workers: int = 0,
    on_bug: OnBug = bug,
) -> LocalEngine:
    """The engine that suits this machine.

    Args:
        model: see :class:`~emotrace.Recognizer`; so are the next three.
        options: what is asked of each recording.
        precision: of the model.
        device: where it runs.
        runtime: what runs it.
        workers: recordings at the same time. 0 is the rule: on a processor one on each core, each with one
            thread of the model; on CUDA 16, whose waveforms share batches.
        on_bug: see :class:`LocalEngine`.

    Raises:
        EmotraceError: see :class:`~emotrace.Recognizer`.
        OptionError: ``workers`` is negative.
    """
    from emotrace.models.cpu import cores

    if workers < 0:
        raise OptionError(f"workers is {workers}; expected 0 (the rule) or more")
    threads = max(1, cores() // (workers or cores()))
    recognizer = Recognizer(model, precision=precision, device=device, threads=threads, runtime=runtime)
    if recognizer.info.device == "cuda":
        recognizer = Recognizer(encoder=Gathering(recognizer.encoder))
        return LocalEngine(recognizer, options, workers=workers or CUDA_WORKERS, on_bug=on_bug)
    return LocalEngine(recognizer, options, workers=workers or cores(), on_bug=on_bug)
