"""Shares of labelled clips, with 95 % intervals of what they would be on others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_SPEAKERS = 5
"""With fewer the interval is over clips, not over speakers."""

DRAWS = 2000

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredClips:
    """Results of labelled clips.

    Attributes:
        right: bool (n,), the likeliest emotion is the label.
        confidence: float64 (n,).
        gap: float64 (n,), between the two likeliest.
        speakers: (n,) of each; all empty if they are not known.
    """

    right: Bools
    confidence: Floats
    gap: Floats
    speakers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.right)

    def of(self, which: NDArray[np.int64]) -> ScoredClips:
        """Some of the clips, by their indices (m,)."""
        return ScoredClips(
            self.right[which], self.confidence[which], self.gap[which], tuple(self.speakers[i] for i in which)
        )


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the trade-off.

    Attributes:
        min_confidence: the threshold.
        coverage: share that is kept.
        precision: share of right ones among them.
        interval: 95 % of the precision.
        kept: how many are kept.
        right: how many of them are right.
    """

    min_confidence: float
    coverage: float
    precision: float
    interval: tuple[float, float]
    kept: int
    right: int


class Counter:
    """Counts at a threshold, with an interval that knows that clips of one speaker are alike.

    Args:
        clips: what is counted.
        seed: of the draws of speakers.

    Attributes:
        speakers: how many there are; 0 if they are not known.
        by_speaker: the intervals draw speakers; else they are over clips.
    """

    def __init__(self, clips: ScoredClips, seed: int) -> None:
        self._clips = clips
        names, self._speaker = np.unique(np.array(clips.speakers), return_inverse=True)
        known = all(clips.speakers)
        self.speakers = len(names) if known else 0
        self.by_speaker = known and len(names) >= MIN_SPEAKERS
        if self.by_speaker:
            rng = np.random.default_rng(seed)
            self._draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)

    def point(self, eligible: Bools, threshold: float) -> Point:
        """What is kept at a threshold of the confidence.

        Args:
            eligible: bool (n,), what the other rules let pass.
            threshold: 0 to 1.
        """
        kept = eligible & (self._clips.confidence >= threshold)
        right = kept & self._clips.right
        count, good = int(kept.sum()), int(right.sum())
        precision = good / count if count else math.nan
        interval = self._interval(kept, right) if count else (math.nan, math.nan)
        return Point(threshold, count / len(self._clips), precision, interval, count, good)

    def _interval(self, kept: Bools, right: Bools) -> tuple[float, float]:
        number, count = int(right.sum()), int(kept.sum())
        if not self.by_speaker or number in (0, count):  # all alike: every draw is the same
            return clopper_pearson(number, count)
        total, good = (
            self._draws @ np.bincount(self._speaker[which], minlength=self._draws.shape[1])
            for which in (kept, right)
        )
        low, high = np.percentile(good[total > 0] / total[total > 0], [2.5, 97.5])
        return float(low), float(high)


def clopper_pearson(right: int, kept: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson 1934).

    >>> low, high = clopper_pearson(9, 10)
    >>> round(low, 4), round(high, 4)
    (0.555, 0.9975)
    """
    tail = (1 - level) / 2
    steps = np.arange(1, kept + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log(kept - steps + 1) - np.log(steps))])

    def at_most(count: int, share: float) -> float:
        numbers = np.arange(count + 1)
        logs = ways[: count + 1] + numbers * math.log(share) + (kept - numbers) * math.log1p(-share)
        return float(np.exp(logs).sum())

    low = 0.0 if right == 0 else _root(lambda share: 1 - at_most(right - 1, share) - tail)
    high = 1.0 if right == kept else _root(lambda share: tail - at_most(right, share))
    return low, high


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
