"""Models that are made in other processes, by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotrace.errors import ModelError
from emotrace.models.encoder import Encoding, FakeEncoder
from emotrace.recognition import Recognizer
from emotrace.results import Array, ModelInfo

FATAL = 0.995
"""Loudness that ends a process."""


def steady() -> Recognizer:
    """The model of :func:`tests.batch.made.engine`."""
    return Recognizer(encoder=FakeEncoder())


def slow() -> Recognizer:
    """One that takes 20 ms for each clip."""
    return Recognizer(encoder=_Slow())


def fatal() -> Recognizer:
    """One that full scale kills."""
    return Recognizer(encoder=_Fatal())


def fatal_once(mark: Path) -> Recognizer:
    """One that full scale kills, the first time only."""
    return Recognizer(encoder=_Fatal(mark))


def broken() -> Recognizer:
    """None at all."""
    raise ModelError("the model is broken; install it again")


def other() -> Recognizer:
    """Another revision."""
    encoder = FakeEncoder()
    encoder.info = ModelInfo("fake", "1" * 12, "fp32", "cpu", "numpy", 1)
    return Recognizer(encoder=encoder)


def node() -> ModelInfo:
    """The built-in model of a node."""
    return Recognizer("compact", threads=1).info


class _Slow(FakeEncoder):
    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        time.sleep(0.02)
        return super().encode(waveforms, references)


class _Fatal(FakeEncoder):
    def __init__(self, mark: Path | None = None) -> None:
        super().__init__()
        self._mark = mark

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        if any(np.abs(waveform).max() > FATAL for waveform in waveforms) and self._is_fatal():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(waveforms, references)

    def _is_fatal(self) -> bool:
        if self._mark is None:
            return True
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
