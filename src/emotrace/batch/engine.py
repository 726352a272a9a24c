"""Who does the work: the seam, and the engine of one machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from itertools import chain, islice
from typing import Protocol

from emotrace.batch.jobs import Job, Outcome
from emotrace.batch.processes import ProcessWorker
from emotrace.batch.team import ThreadWorker, Worker, outcomes_from
from emotrace.batch.work import OnBug, units_of
from emotrace.batch.worker import Orders
from emotrace.errors import OptionError
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from emotrace.recognition.checks import check_head, check_pieces
from emotrace.recognition.parallel import Gathering
from emotrace.results import Failure, ModelInfo

CUDA_WORKERS = 16
"""Recordings that are decoded at the same time for a GPU."""

FEW = 200
"""So many recordings are done before processes would have started."""


OnBegin = Callable[[int, str], None]
"""Told the number of a worker of this process and the recording that it begins, by any thread."""


def not_told(_worker: int, _file: str) -> None:
    """An :data:`OnBegin` that does nothing."""


class Engine(Protocol):
    """Makes one outcome of each job, in any order."""

    @property
    def info(self) -> ModelInfo:
        """Which model runs, and where."""

    @property
    def options(self) -> PipelineOptions:
        """What is asked of each recording."""

    def run(self, jobs: Iterable[Job], on_begin: OnBegin = not_told) -> Generator[Outcome, None, None]:
        """Do the work; when the iterator is closed, what has begun ends early and nothing more begins.

        Args:
            jobs: none with a failure, none twice; taken as they are needed, about in this order. Neighbouring
                segments of one recording are cut from one pass over it. Those that are risky come first.
            on_begin: told of what this process itself begins to read, which may end it.
        """


def bug(file: str, error: Exception) -> Failure:
    """The Failure of an error that nobody foresaw.

    >>> bug("a.wav", KeyError("x")).reason
    "unexpected error: KeyError: 'x'"
    """
    return Failure(file, "bug", f"unexpected error: {type(error).__name__}: {error}")


def check_able(recognizer: Recognizer, options: PipelineOptions) -> None:
    """Refuse before the first recording what a model can do with none.

    Raises:
        ModelError: it names no emotions.
        OptionError: it does not take so long a recording in one piece.
    """
    check_head(recognizer.card)
    check_pieces(recognizer.card, options.recognition)


class LocalEngine:
    """Threads or processes of this machine: they decode, check and recognise recordings side by side.

    Args:
        recognizer: the model; its inferences run outside of Python's lock.
        options: what is asked of each recording; None is ``PipelineOptions()``.
        workers: recordings at the same time.
        on_bug: what becomes of an error that nobody foresaw.
        load: makes the same recognizer in another process, can be pickled; without it all is done by threads.
        processes: more than :data:`FEW` recordings are done by processes; else only those that are risky.

    Raises:
        OptionError: there is no worker, or the model cannot do what is asked for.
        ModelError: it names no emotions.

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
        load: Callable[[], Recognizer] | None = None,
        processes: bool = True,
    ) -> None:
        if workers < 1:
            raise OptionError(f"workers is {workers}; expected 1 or more")
        self._recognizer = recognizer
        self._options = options or PipelineOptions()
        check_able(recognizer, self._options)
        self.workers = workers
        self._on_bug = on_bug
        self._load, self._processes = load, processes

    @property
    def info(self) -> ModelInfo:
        """Which model runs, and where."""
        return self._recognizer.info

    @property
    def options(self) -> PipelineOptions:
        """What is asked of each recording."""
        return self._options

    def run(self, jobs: Iterable[Job], on_begin: OnBegin = not_told) -> Generator[Outcome, None, None]:
        """See :meth:`Engine.run`."""
        from emotrace.models.cpu import cores

        units = units_of(jobs)
        first = list(islice(units, FEW + 1))
        orders = self._load and Orders(self._load, self._options, self._on_bug, cores() // self.workers)
        workers: list[Worker]
        if orders and self._processes and len(first) > FEW:
            workers = [ProcessWorker(orders, self.info) for _ in range(self.workers)]
        else:
            risky = [unit for unit in first if unit.jobs[0].risky]
            if orders and risky:
                first = [unit for unit in first if not unit.jobs[0].risky]
                yield from outcomes_from([ProcessWorker(orders, self.info)], risky)
            workers = [
                ThreadWorker(self._recognizer, self._options, self._on_bug, partial(on_begin, number))
                for number in range(min(self.workers, len(first)))
            ]
        yield from outcomes_from(workers, chain(first, units))


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
            thread of the model; on CUDA 16, whose waveforms share batches. Workers are processes for a small
            model, which would wait for Python's lock, and threads for a large one, which they share.
        on_bug: see :class:`LocalEngine`; can be pickled.

    Raises:
        EmotraceError: see :class:`~emotrace.Recognizer`.
        OptionError: ``workers`` is negative.
    """
    from emotrace.models.cpu import cores

    if workers < 0:
        raise OptionError(f"workers is {workers}; expected 0 (the rule) or more")
    threads = max(1, cores() // (workers or cores()))
    load = partial(Recognizer, model, precision=precision, device=device, threads=threads, runtime=runtime)
    recognizer = load()
    if recognizer.info.device == "cuda":
        recognizer = Recognizer(encoder=Gathering(recognizer.encoder))
        return LocalEngine(recognizer, options, workers=workers or CUDA_WORKERS, on_bug=on_bug)
    small = recognizer.card.network is None
    return LocalEngine(
        recognizer, options, workers=workers or cores(), on_bug=on_bug, load=load, processes=small
    )
