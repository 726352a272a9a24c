"""What is asked of a batch, how far it is, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emotrace.batch.sinks import check_formats
from emotrace.errors import OptionError

ENOUGH = 10
"""Failures in a row that are no fault of the inputs, after which a batch stops by itself."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What is asked of a batch.

    Attributes:
        formats: out of :data:`~emotrace.batch.sinks.FORMATS`.
        embedding: keep the embeddings.
        retry_failed: do again what failed before.
        max_consecutive_failures: stop after so many failures in a row; 0 is never, None is after
            :data:`ENOUGH` that are no fault of the inputs.

    Raises:
        OptionError: a value is out of range.
        MissingExtraError: Parquet is asked for without the extra ``analysis``.
    """

    formats: tuple[str, ...] = ("csv", "jsonl")
    embedding: bool = True
    retry_failed: bool = False
    max_consecutive_failures: int | None = None

    def __post_init__(self) -> None:
        check_formats(self.formats)
        if (self.max_consecutive_failures or 0) < 0:
            raise OptionError(
                f"max_consecutive_failures is {self.max_consecutive_failures}; expected 0 (never) or more"
            )


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        done: inputs that are finished, those of earlier runs included.
        total: inputs.
        failed: of the finished ones.
        earlier: finished by earlier runs.
        elapsed: seconds since this run began.
        audio_seconds: recognised by this run.
        seconds_left: an estimate by the size of what is left; None at first.
    """

    done: int
    total: int
    failed: int
    earlier: int
    elapsed: float
    audio_seconds: float
    seconds_left: float | None

    @property
    def rate(self) -> float:
        """Inputs of this run per second."""
        return (self.done - self.earlier) / self.elapsed if self.elapsed > 0 else 0.0


OnProgress = Callable[[BatchProgress], None]


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a batch came to.

    Attributes:
        record: as in ``summary.json``, without the failures.
        failures: file, code and reason of each failed input, as ``summary.json`` tells them.
        outputs: names in the output folder; empty if the batch stopped.
        stopped: why it stopped before its end; None if it did not.
        twice: inputs that were given again.
        left_out: earlier results of inputs that were not given this time; they stay in the log.
        damaged: lines of the log that could not be read, whose inputs were done again.
    """

    record: dict[str, Any]
    failures: list[dict[str, str]] = field(repr=False)
    outputs: tuple[str, ...]
    stopped: str | None
    twice: int
    left_out: int
    damaged: int
