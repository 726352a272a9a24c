"""What runs on the nodes of a Ray cluster: an actor that holds the model, and one that counts attempts."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import emotrace
from emotrace.batch.jobs import Outcome, file_state
from emotrace.batch.processes import TRIES, check_same, lost
from emotrace.batch.team import ThreadWorker, outcomes_from
from emotrace.batch.work import Unit, outcomes_of
from emotrace.batch.worker import Orders
from emotrace.errors import ModelError
from emotrace.recognition import Recognizer
from emotrace.recognition.parallel import Gathering
from emotrace.results import ModelInfo

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN = "pickled"
"""The one column of what goes through Ray: bytes; a :class:`Block` in, an Outcome or an error out."""

CUDA_WORKERS = 16
"""Recordings that are decoded at the same time for a GPU."""


@dataclass(frozen=True, slots=True)
class Block:
    """Recordings that one actor does in one go.

    Attributes:
        number: of the block.
        units: the recordings.
    """

    number: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Posting:
    """What an actor has to know of the driver.

    Attributes:
        orders: of a worker.
        info: the model that it must have.
        folder: where relative paths start from.
        version: of emotrace.
    """

    orders: Orders
    info: ModelInfo
    folder: str
    version: str


class Attempts:
    """Counts how often something was begun and not finished, beyond the life of those who do it.

    >>> attempts = Attempts()
    >>> attempts.begin("a"), attempts.begin("a"), attempts.finish("a"), attempts.begin("a")
    (1, 2, None, 1)
    """

    def __init__(self) -> None:
        self._begun: Counter[object] = Counter()

    def begin(self, what: object) -> int:
        """How often it was begun now."""
        self._begun[what] += 1
        return self._begun[what]

    def finish(self, what: object) -> None:
        """It is done, and counts no more."""
        del self._begun[what]


class Actor:
    """Holds the model; Ray Data calls it with blocks, and calls another one if its node is lost.

    Ray begins a block again for ever when its actor ends; a recording that ends the actor again and again
    becomes a failure here.

    Args:
        posting: what the driver tells.
        attempts: handle of the :class:`Attempts` of this run.
    """

    def __init__(self, posting: Posting, attempts: Any) -> None:
        self._attempts = attempts
        self._problem: Exception | None = None
        with suppress(OSError):
            os.chdir(posting.folder)
        try:
            self._prepare(posting)
        except Exception as problem:  # which Ray would wrap in its own; the driver raises it
            self._problem = problem

    def _prepare(self, posting: Posting) -> None:
        if emotrace.__version__ != posting.version:
            raise ModelError(
                f"a node has emotrace {emotrace.__version__}; expected {posting.version} as on the driver: "
                "install the same version everywhere"
            )
        orders = posting.orders
        recognizer, count = orders.load(), 1
        check_same(recognizer.info, posting.info)
        if recognizer.info.device == "cuda":
            recognizer, count = Recognizer(encoder=Gathering(recognizer.encoder)), CUDA_WORKERS
        self._orders, self._recognizer = orders, recognizer
        self._team = [ThreadWorker(recognizer, orders.options, orders.on_bug)] * count

    def __call__(self, table: pa.Table) -> Iterator[pa.Table]:
        """The outcomes of a block."""
        import pyarrow as pa

        for data in table[COLUMN].to_pylist():
            done = [pickle.dumps(each, pickle.HIGHEST_PROTOCOL) for each in self._results(pickle.loads(data))]
            yield pa.table({COLUMN: pa.array(done, pa.large_binary())})

    def _results(self, block: Block) -> Iterator[Outcome | Exception]:
        if self._problem is not None:
            yield self._problem
        elif self._ask("begin", block.number) <= TRIES:
            yield from outcomes_from(self._team, block.units)
            self._ask("finish", block.number)
        else:
            for i, unit in enumerate(block.units):
                yield from self._carefully((block.number, i), unit)

    def _carefully(self, name: tuple[int, int], unit: Unit) -> Iterator[Outcome]:
        """One recording alone; one of those beside it has ended this block's actors."""
        if self._ask("begin", name) > TRIES:
            for job in unit.jobs:
                yield Outcome(job, lost(job, "on Ray"), 0.0, file_state(job.file))
        else:
            orders = self._orders
            yield from outcomes_of(unit, self._recognizer, orders.options, orders.on_bug)
            self._ask("finish", name)

    def _ask(self, what: str, name: object) -> Any:
        import ray

        return ray.get(getattr(self._attempts, what).remote(name))
