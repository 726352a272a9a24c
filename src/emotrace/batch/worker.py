"""A worker process: recordings come in on standard input, outcomes go out on standard output, pickled.

It ends at once when its parent does, however that ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from emotrace.batch.work import OnBug, Unit, outcomes_of
from emotrace.models.cpu import keep_to
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker in another process or on another machine is told first; can be pickled.

    Attributes:
        load: makes the model.
        options: what is asked of each recording.
        on_bug: see :data:`~emotrace.batch.work.OnBug`.
        cores: how many it is to use.
    """

    load: Callable[[], Recognizer]
    options: PipelineOptions
    on_bug: OnBug
    cores: int = 1


def main() -> None:
    """Load the model, say which it is, then for each unit its outcomes and None; an error ends it."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no outcome

    def tell(answer: Any) -> None:
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    asked = sys.stdin.buffer
    try:
        orders: Orders = pickle.load(asked)
        keep_to(orders.cores)
        recognizer = orders.load()
        tell(recognizer.info)
        for unit in iter(_queued(asked).get, None):
            for outcome in outcomes_of(unit, recognizer, orders.options, orders.on_bug):
                tell(outcome)
            tell(None)
    except (BrokenPipeError, EOFError):  # nobody is there any more
        os._exit(1)
    except BaseException as error:
        tell(error)


def _queued(asked: IO[bytes]) -> queue.SimpleQueue[Unit | None]:
    units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            while (unit := pickle.load(asked)) is not None:
                units.put(unit)
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)
        units.put(None)

    threading.Thread(target=read, daemon=True).start()
    return units
