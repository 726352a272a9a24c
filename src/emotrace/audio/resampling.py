"""From any sampling rate to 16 kHz, and into blocks of one length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE


class Resampler:
    """One channel from ``rate`` to 16 kHz, band-limited, piece by piece."""

    def __init__(self, rate: int) -> None:
        import soxr

        self.rate = rate
        same = rate == SAMPLING_RATE
        self._stream = None if same else soxr.ResampleStream(rate, SAMPLING_RATE, 1, "float32", "HQ")

    def push(self, samples: Array) -> Array:
        """What is ready after the next samples, float32 (n,)."""
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def rest(self) -> Array:
        """What was held back, float32 (n,); nothing may follow."""
        nothing = np.zeros(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)


def reblocked(parts: Iterable[Array], size: int) -> Iterator[Array]:
    """The same samples in blocks float32 (size,); the last may be shorter."""
    waiting: list[Array] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count >= size:
            joined = np.concatenate(waiting)
            whole = count // size * size
            yield from (joined[start : start + size] for start in range(0, whole, size))
            waiting, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)
