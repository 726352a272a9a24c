"""The signal checks of a recording, on the blocks that are recognised."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore, Lock
from types import TracebackType

from emotrace.audio import MeasureMeter
from emotrace.models.cpu import cores
from emotrace.results import Array, SignalMeasures, SignalQuality
from emotrace.segmentation import QualityMeter

AHEAD = 32
"""Blocks, of a second each, that may wait for the checks."""

_guard = Lock()
_running = 0


class Measuring:
    """Takes the measures of a recording and, if asked for, its signal checks; a context, used once.

    The checks run beside the model, in a thread of their own, which ends with the context; where so many
    recordings are recognised at a time that each has a core at most, before it, which takes less time in all.

    Args:
        checks: run the signal checks.

    >>> import numpy as np
    >>> with Measuring(checks=True) as measuring:
    ...     measuring.push(np.zeros(16000, np.float32))
    ...     measures, quality = measuring.result(0.0)
    >>> measures.duration, quality.content
    (1.0, 'silence')
    """

    def __init__(self, checks: bool) -> None:
        self._meter = MeasureMeter()
        self._quality = QualityMeter() if checks else None
        self._pool: ThreadPoolExecutor | None = None
        self._free = BoundedSemaphore(AHEAD)
        self._last: Future[None] | None = None

    def push(self, block: Array) -> None:
        """Take in the next samples, float32 (n,), 16 kHz mono, finite; they must not be written to later."""
        if self._quality is None:
            self._meter.update(block)
            return
        if self._pool is None:
            self._quality.push(block)
            return
        self._free.acquire()
        self._last = self._pool.submit(self._check, self._quality, block, self._last)

    def result(self, clipping_share: float | None) -> tuple[SignalMeasures, SignalQuality | None]:
        """What was measured; the recording has ended.

        Args:
            clipping_share: as the decoder has counted it; None counts it in the samples.
        """
        if self._quality is None:
            return self._meter.result(clipping_share), None
        if self._last is not None:
            self._last.result()
        quality = self._quality.result(clipping_share)
        return quality.measures, quality

    def _check(self, meter: QualityMeter, block: Array, before: Future[None] | None) -> None:
        try:
            if before is not None:
                before.result()  # an error reaches the last block
            meter.push(block)
        finally:
            self._free.release()

    def __enter__(self) -> Measuring:
        global _running  # of all recognizers in this process: they share its cores
        with _guard:
            _running += 1
            room = 2 * _running <= cores()
        if self._quality is not None and room:
            self._pool = ThreadPoolExecutor(1, "checks")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _running
        with _guard:
            _running -= 1
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
