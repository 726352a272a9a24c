"""What runs on the nodes of a Ray cluster: actors that hold the model and count their attempts."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import emotrace
from emotrace.batch.jobs import Outcome, file_state
from emotrace.batch.processes import TRIES, check_same, lost
from emotrace.batch.team import ThreadWorker, outcomes_from
from emotrace.batch.work import Unit, outcomes_of
from emotrace.batch.worker import Orders
from emotrace.errors import ModelError
from emotrace.models.cpu import keep_to
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
        run: name of the batch, for :class:`Attempts`.
    """

    orders: Orders
    info: ModelInfo
    folder: Path
    version: str
    run: str


class Attempts:
    """Counts how often something was begun and not finished, beyond the life of those who do it.

    The counts are with the cluster's head: an actor of their own for them costs a process of 70 MB.

    Args:
        run: name of the batch; another one has counts of its own.
    """

    def __init__(self, run: str) -> None:
        from ray.experimental import internal_kv

        self._store, self._run = internal_kv, f"emotrace-{run}"

    def begin(self, what: str) -> int:
        """How often it was begun now."""
        count = int(self._store._internal_kv_get(what, namespace=self._run) or 0) + 1
        self._store._internal_kv_put(what, str(count), namespace=self._run)
        return count

    def finish(self, what: str) -> None:
        """It is done, and counts no more."""
        self._store._internal_kv_del(what, namespace=self._run)

    def close(self) -> None:
        """The batch has ended, or its cluster has."""
        with suppress(Exception):
            self._store._internal_kv_del("", del_by_prefix=True, namespace=self._run)


class Actor:
    """Holds the model; Ray Data calls it with blocks, and calls another one if its node is lost.

    Ray begins a block again for ever when its actor ends; a recording that ends the actor again and again
    becomes a failure here.

    Args:
        posting: what the driver tells.
    """

    def __init__(self, posting: Posting) -> None:
        self._attempts = Attempts(posting.run)
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
        keep_to(orders.cores)
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
        elif self._attempts.begin(f"{block.number}") <= TRIES:
            yield from self._outcomes(block.units)
            self._attempts.finish(f"{block.number}")
        else:
            for i, unit in enumerate(block.units):
                yield from self._carefully(f"{block.number}.{i}", unit)

    def _outcomes(self, units: tuple[Unit, ...]) -> Iterator[Outcome]:
        if len(self._team) > 1:
            yield from outcomes_from(self._team, units)
            return
        for unit in units:
            yield from outcomes_of(unit, self._recognizer, self._orders.options, self._orders.on_bug)

    def _carefully(self, name: str, unit: Unit) -> Iterator[Outcome]:
        """One recording alone; one of those beside it has ended this block's actors."""
        if self._attempts.begin(name) > TRIES:
            for job in unit.jobs:
                yield Outcome(job, lost(job, "on Ray"), 0.0, file_state(job.file))
        else:
            yield from self._outcomes((unit,))
            self._attempts.finish(name)
