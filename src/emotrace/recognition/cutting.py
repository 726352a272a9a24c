"""Sound that comes in blocks, cut at pauses into stretches of speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from emotrace.results import Array
from emotrace.segmentation import Stretch, StretchCutter, VoiceActivity
from emotrace.segmentation.voice_activity import CHUNK
from emotrace.timing import seconds_to_samples


@dataclass(frozen=True, slots=True)
class Begun:
    """Speech has begun; a :class:`Cut` with the same start will follow.

    Attributes:
        start: first sample of the stretch.
        heard: samples of the stream after which it was sure.
    """

    start: int
    heard: int


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A stretch of speech that has ended.

    Attributes:
        start: its first sample in the stream.
        samples: float32 (n,).
        heard: samples of the stream after which its end was known.
    """

    start: int
    samples: Array
    heard: int


class Cutting:
    """Voice activity and stretches of a stream; keeps only the samples that a stretch to come may need.

    Any blocks of the same samples give the same, in the same order.

    Args:
        fewest: samples under which a stretch is left out.

    >>> cutting = Cutting(1600)
    >>> list(cutting.feed(np.zeros(16000, np.float32))), list(cutting.finish())
    ([], [])
    """

    def __init__(self, fewest: int) -> None:
        self._activity, self._cutter = VoiceActivity(), StretchCutter()
        self._fewest = fewest
        self._heard = 0  # samples that voice activity has decided on
        self._length = 0
        self._begun = False
        self._kept: Array = np.zeros(0, np.float32)
        self._first = 0  # sample index of the first kept sample

    @property
    def speaking(self) -> Stretch | None:
        """The stretch that goes on, if one has begun: see :attr:`StretchCutter.speaking`."""
        return self._cutter.speaking if self._begun else None

    def latest(self, start: int) -> Array:
        """The samples from ``start`` on, which must be in the stretch that goes on."""
        return self._kept[start - self._first :]

    def feed(self, block: Array) -> Iterator[Begun | Cut]:
        """Take the next samples, float32 (n,), 16 kHz; to be iterated to the end."""
        step = seconds_to_samples(self._cutter.rule.longest)  # one huge block needs no more memory than many
        for i in range(0, len(block), step):
            part = block[i : i + step]
            self._kept = np.concatenate([self._kept, part])
            self._length += len(part)
            yield from self._decide(self._activity.feed(part))
            self._forget()

    def finish(self) -> Iterator[Begun | Cut]:
        """The stream has ended."""
        yield from self._decide(self._activity.finish())
        yield from self._cuts(self._cutter.finish())

    def _decide(self, probabilities: Array) -> Iterator[Begun | Cut]:
        for i in range(len(probabilities)):
            self._heard = min(self._heard + CHUNK, self._length)
            yield from self._cuts(self._cutter.feed(probabilities[i : i + 1]))
            going = self._cutter.speaking
            if going and not self._begun and min(going.end, self._length) - going.start >= self._fewest:
                self._begun = True
                yield Begun(going.start, self._heard)

    def _cuts(self, stretches: Iterable[Stretch]) -> Iterator[Begun | Cut]:
        for stretch in stretches:
            start, end = stretch.start, min(stretch.end, self._length)
            if end - start < self._fewest:
                continue
            if not self._begun:
                yield Begun(start, self._heard)
            self._begun = False
            yield Cut(start, self._kept[start - self._first : end - self._first], self._heard)

    def _forget(self) -> None:
        keep = min(max(self._cutter.keep_from, self._first), self._length)
        self._kept = self._kept[keep - self._first :]
        self._first = keep
