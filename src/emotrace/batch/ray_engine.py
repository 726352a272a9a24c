"""The same work on a Ray cluster, by Ray Data: actors that hold the model, more of them when there is room.

The driver keeps the log, so a batch that was begun on one engine goes on on another. Ray does lost work
again; an outcome that comes twice is taken once (see :mod:`.runner`). What the nodes need: the same versions
of emotrace and Ray, the same model, and the inputs under the same paths (a shared folder) or URLs.
"""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

import emotrace
from emotrace.batch import urls
from emotrace.batch.engine import OnBegin, bug, check_able, not_told
from emotrace.batch.jobs import Job, Outcome, file_state
from emotrace.batch.ray_session import Session, cluster_errors
from emotrace.batch.ray_worker import COLUMN, Actor, Attempts, Block, Posting
from emotrace.batch.work import OnBug, Unit, units_of
from emotrace.batch.worker import Orders
from emotrace.errors import OptionError
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from emotrace.results import ModelInfo

BLOCK_UNITS = 16
BLOCK_BYTES = 4_000_000
"""A block holds so many recordings, or so many bytes of them: what is done again when its actor is lost."""

WINDOW_BLOCKS = 500
"""Blocks for each actor that are in Ray's memory at a time."""


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How a cluster is used.

    Attributes:
        address: of the cluster, as ``host:port``; ``auto`` is the one that this machine belongs to. None
            starts one on this machine, for the time of the batch.
        most: actors at most; 0 is what fits into the cluster as it is now. More than that lets a cluster
            that can grow do so.
        least: actors at least; they are waited for. 0 is what fits now, up to ``most``.
        cpus: processors that each actor takes; also the threads of its model.
        gpus: graphics processors that each actor takes; a fraction lets several share one.

    Raises:
        OptionError: a value is out of range.
    """

    address: str | None = None
    most: int = 0
    least: int = 0
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if "://" in (self.address or ""):
            raise OptionError(
                f"address is {self.address!r}; expected host:port or auto: Ray Client carries no batch, run "
                "the command on the cluster, for example by `ray job submit`"
            )
        if self.most < 0 or self.least < 0:
            raise OptionError(f"workers are {self.least} to {self.most}; expected 0 (the rule) or more")
        if self.most and self.least > self.most:
            raise OptionError(
                f"at least {self.least} and at most {self.most} workers; expected fewer at least"
            )
        if self.cpus <= 0 or self.gpus < 0:
            raise OptionError(
                f"{self.cpus:g} CPUs and {self.gpus:g} GPUs for each worker; expected more than 0 CPUs"
            )


class RayEngine:
    """Actors on the nodes of a Ray cluster.

    Args:
        orders: of the actors.
        info: the model that they must have.
        options: how the cluster is used.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, orders: Orders, info: ModelInfo, options: RayOptions | None = None) -> None:
        self._orders, self._info = orders, info
        self._session = Session((options or RayOptions()).address)
        self._use = options or RayOptions()

    @property
    def info(self) -> ModelInfo:
        """Which model runs, and where."""
        return self._info

    @property
    def options(self) -> PipelineOptions:
        """What is asked of each recording."""
        return self._orders.options

    def run(self, jobs: Iterable[Job], on_begin: OnBegin = not_told) -> Generator[Outcome, None, None]:
        """See :meth:`~emotrace.batch.engine.Engine.run`.

        Raises:
            DeviceError: the cluster cannot be reached, goes away, or has no room for one actor.
            EmotraceError: the nodes have another model or version.
        """
        units = units_of(jobs)
        first = next(units, None)
        if first is None:
            return
        with self._session as session, cluster_errors():
            least, most = session.actors(self._use.least, self._use.most, self._use.cpus, self._use.gpus)
            posting = Posting(
                self._orders, self._info, Path.cwd(), emotrace.__version__, run=secrets.token_hex(8)
            )
            blocks = _blocks(chain([first], units), most)
            with closing(Attempts(posting.run)):
                while window := list(islice(blocks, WINDOW_BLOCKS * most)):
                    fewer = min(most, len(window))
                    yield from self._outcomes(session, window, (min(least, fewer), fewer), posting)

    def _outcomes(
        self, session: Session, blocks: list[Block], actors: tuple[int, int], posting: Posting
    ) -> Iterator[Outcome]:
        import pyarrow as pa

        packed = (pickle.dumps(block, pickle.HIGHEST_PROTOCOL) for block in blocks)
        tables = [pa.table({COLUMN: pa.array([data], pa.large_binary())}) for data in packed]
        each = (self._use.cpus, self._use.gpus)
        for table in session.mapped(tables, Actor, (posting,), actors, each):
            for data in table[COLUMN]:
                outcome = pickle.loads(data.as_py())
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome


def ray_engine(
    model: str = "auto",
    options: PipelineOptions | None = None,
    use: RayOptions | None = None,
    *,
    precision: str = "auto",
    device: str = "auto",
    runtime: str = "auto",
    on_bug: OnBug = bug,
) -> RayEngine:
    """The engine on a cluster.

    Args:
        model: see :class:`~emotrace.Recognizer`; installed on the driver and on every node, or a folder that
            all of them see.
        options: what is asked of each recording.
        use: of the cluster.
        precision: of the model.
        device: where it runs; ``auto`` is ``cuda`` if a worker takes a GPU, else ``cpu``.
        runtime: what runs it.
        on_bug: see :class:`~emotrace.batch.engine.LocalEngine`; can be pickled.

    Raises:
        EmotraceError: see :class:`~emotrace.Recognizer`.
        DeviceError: GPUs are asked for, and the cluster cannot be reached or has none.
        MissingExtraError: Ray is not installed.
    """
    use = use or RayOptions()
    device = ("cuda" if use.gpus else "cpu") if device == "auto" else device
    threads = max(1, int(use.cpus))
    load = partial(Recognizer, model, precision=precision, device=device, threads=threads, runtime=runtime)
    orders = Orders(load, options or PipelineOptions(), on_bug, threads)
    if not use.gpus:
        return RayEngine(orders, _info(orders), use)
    with Session(use.address) as session, cluster_errors():  # the driver need not have a GPU
        session.actors(use.least, use.most, use.cpus, use.gpus)
        return RayEngine(orders, session.asked(partial(_info, orders), use.cpus, use.gpus), use)


def _info(orders: Orders) -> ModelInfo:
    recognizer = orders.load()
    check_able(recognizer, orders.options)
    return recognizer.info


def _blocks(units: Iterable[Unit], actors: int) -> Iterator[Block]:
    """Units put together, few if they are large, and at first, so that every actor gets some.

    >>> jobs = [Unit(name, (Job(name),)) for name in "abcdef"]
    >>> [len(block.units) for block in _blocks(jobs, 2)]
    [1, 1, 2, 2]
    """
    number, taken, size = 0, list[Unit](), 0
    for unit in units:
        taken.append(unit)
        size += _size(unit)
        if len(taken) >= min(BLOCK_UNITS, 1 + number // actors) or size >= BLOCK_BYTES:
            yield Block(number, tuple(taken))
            number, taken, size = number + 1, [], 0
    if taken:
        yield Block(number, tuple(taken))


def _size(unit: Unit) -> int:
    state = unit.jobs[0].state
    if state is None and not urls.is_remote(unit.file):
        state = file_state(unit.file)
    return state[0] if state else 0
