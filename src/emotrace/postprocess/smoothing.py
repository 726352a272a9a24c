"""Smoothers: one streaming state machine each, the same for files, live streams and JSON.

A step without speech (a row of NaN) stays without speech. Windows count only their steps with speech, the
moving average waits, the hidden Markov chain runs on without evidence; so a short pause is bridged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.errors import InputError
from emotrace.labels import LABELS

Rows: TypeAlias = NDArray[np.float64]
"""float64 (n, 9), in the order of :data:`emotrace.labels.LABELS`."""

WIDTH = len(LABELS)
_BLOCK_VALUES = 1 << 22  # values of the windows that are looked at together
_WIDE = 256  # steps of a window from which on sums over it are differences of running sums


class Latency(NamedTuple):
    """How long after a step its smoothed row comes.

    Attributes:
        steps: steps; infinite where the end must be known.
        seconds: the same in seconds.
    """

    steps: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """Rows that are ready.

    Attributes:
        indices: int64 (m,), the step that each row is for, counted from the first that was pushed.
        rows: float64 (m, 9), largest at the emotion; NaN without speech.
    """

    indices: NDArray[np.int64]
    rows: Rows


class Smoother(Protocol):
    """Takes steps in pieces of any size and gives smoothed rows in order; used once.

    The pieces make no difference to what comes out, only to when.
    """

    @property
    def latency(self) -> Latency:
        """The row of step ``i`` is ready as soon as step ``i + latency.steps`` was pushed."""

    def push(self, probabilities: ArrayLike) -> Smoothed:
        """Take the next steps.

        Args:
            probabilities: (n, 9), 0 or more; NaN in a step without speech.

        Raises:
            InputError: a value is negative or infinite.
            ValueError: another shape.
        """

    def finish(self) -> Smoothed:
        """The rows that waited for steps that never came."""


def checked(probabilities: ArrayLike) -> Rows:
    """Steps as float64, NaN in every column of a step without speech.

    Raises:
        InputError: a value is negative or infinite.
        ValueError: the shape is not (n, 9).

    >>> checked([[0.5] + [0.0625] * 8]).shape
    (1, 9)
    """
    rows = np.array(probabilities, np.float64)
    if rows.ndim != 2 or rows.shape[1] != WIDTH:
        raise ValueError(f"steps of the shape {rows.shape} came; expected (n, {WIDTH})")
    wrong = np.flatnonzero((np.isinf(rows) | (rows < 0)).any(axis=1))
    if len(wrong):
        at = int(wrong[0])
        raise InputError(
            f"step {at} holds {rows[at].tolist()}; expected probabilities of 0 or more, or NaN without speech"
        )
    rows[np.isnan(rows).any(axis=1)] = np.nan
    return rows


def likeliest(rows: Rows) -> NDArray[np.int64]:
    """Index of the emotion of each row, -1 without speech.

    >>> likeliest(np.array([[0.0] * 8 + [1.0], [np.nan] * 9])).tolist()
    [8, -1]
    """
    best = np.where(np.isnan(rows), -1.0, rows).argmax(axis=1)
    return np.where(np.isnan(rows[:, 0]), -1, best)


class _Windows:
    """Steps around a middle: ``window // 2`` before it, the rest after it.

    Args:
        window: steps.
        step: from one middle to the next.
        edges: also windows that reach over the ends, of the steps that are there.
        hop: seconds of a step.
    """

    def __init__(self, window: int, step: int, edges: bool, hop: float) -> None:
        self.before, self.after = window // 2, window - 1 - window // 2
        self.latency = Latency(self.after, self.after * hop)
        self._window, self._step, self._edges = window, step, edges
        self._kept = np.full((self.before if edges else 0, WIDTH), np.nan)
        self._first = -self.before if edges else 0  # the step that _kept begins with
        self._middle = 0 if edges else self.before  # of the next window

    def push(self, probabilities: ArrayLike) -> Smoothed:
        """See :class:`Smoother`."""
        return self._take(checked(probabilities))

    def finish(self) -> Smoothed:
        """See :class:`Smoother`."""
        return self._take(np.full((self.after if self._edges else 0, WIDTH), np.nan))

    def _take(self, rows: Rows) -> Smoothed:
        rows = np.concatenate([self._kept, rows])
        skip = self._middle - self.before - self._first
        count = max(0, (len(rows) - self._window - skip) // self._step + 1)
        indices = self._middle + self._step * np.arange(count)
        size = self._together()
        parts = []
        for start in range(0, count, size):
            number = min(size, count - start)
            begin = skip + start * self._step
            end = begin + (number - 1) * self._step + self._window
            smoothed = self._of(rows[begin:end])
            middles = rows[begin + self.before : end - self.after : self._step]
            smoothed[np.isnan(middles[:, 0])] = np.nan
            parts.append(smoothed)
        self._middle += count * self._step
        drop = min(len(rows), skip + count * self._step)
        self._kept, self._first = rows[drop:].copy(), self._first + drop
        return Smoothed(indices, np.concatenate(parts) if parts else np.zeros((0, WIDTH)))

    def _together(self) -> int:
        """Windows that are looked at together."""
        return max(1, _BLOCK_VALUES // (WIDTH * self._window))

    def _of(self, rows: Rows) -> Rows:
        """The rows of all windows over some steps."""
        raise NotImplementedError


class Vote(_Windows):
    """The most frequent emotion of a window; a tie goes to the one that comes first in the window.

    A row is the mean of the winner's steps, so its value at the winner is the classic score.

    Args:
        window: steps.
        step: steps from one window to the next.
        edges: False is the classic definition: only full windows, and fewer steps than a window come
            back unchanged. True keeps every step: windows at the ends are cut.
        hop: seconds of a step, for the latency.

    >>> vote = Vote(3, edges=False)
    >>> steps = np.eye(9)[[3, 3, 6, 3, 6, 6]]
    >>> smoothed = vote.push(steps)
    >>> smoothed.indices.tolist(), likeliest(smoothed.rows).tolist()
    ([1, 2, 3, 4], [3, 3, 6, 6])
    """

    def __init__(self, window: int = 5, step: int = 1, *, edges: bool = True, hop: float = 0.04) -> None:
        super().__init__(window, step, edges, hop)
        self._total = 0

    def push(self, probabilities: ArrayLike) -> Smoothed:
        """See :class:`Smoother`."""
        rows = checked(probabilities)
        self._total += len(rows)
        return self._take(rows)

    def finish(self) -> Smoothed:
        """See :class:`Smoother`."""
        if not self._edges and self._total < self._window:
            return Smoothed(np.arange(self._total), self._kept)
        return super().finish()

    def _of(self, rows: Rows) -> Rows:
        window, count = self._window, len(rows)
        labels = likeliest(rows)
        hits = labels[:, None] == np.arange(WIDTH)
        before = np.concatenate([np.zeros((1, WIDTH), np.int64), np.cumsum(hits, axis=0)])
        votes = (before[window:] - before[:-window])[:: self._step]
        places = np.where(hits, np.arange(count)[:, None], count)
        following = np.minimum.accumulate(places[::-1], axis=0)[::-1]
        starts = np.arange(0, count - window + 1, self._step)
        waits = np.minimum(following[starts] - starts[:, None], window)
        winners = (votes * (window + 1) - waits).argmax(axis=1)
        sums = (self._wide_sums if window > _WIDE else self._sums)(rows, labels, winners)
        number = votes[np.arange(len(starts)), winners]
        return np.asarray(sums / np.maximum(number, 1)[:, None], np.float64)

    def _together(self) -> int:
        return max(self._window, super()._together())

    def _sums(self, rows: Rows, labels: NDArray[np.int64], winners: NDArray[np.int64]) -> Rows:
        """Sum of the winner's steps in each window, from left to right: every digit as by hand."""
        sums = np.zeros((len(winners), WIDTH))
        for offset in range(self._window):
            there = slice(offset, len(rows) - self._window + 1 + offset, self._step)
            np.add(sums, rows[there], out=sums, where=(labels[there] == winners)[:, None])
        return sums

    def _wide_sums(self, rows: Rows, labels: NDArray[np.int64], winners: NDArray[np.int64]) -> Rows:
        """The same in a time that does not depend on the window, to 1e-10."""
        sums = np.zeros((len(winners), WIDTH))
        for label in np.unique(winners).tolist():
            chosen = np.where((labels == label)[:, None], rows, 0)
            running = np.concatenate([np.zeros((1, WIDTH)), np.cumsum(chosen, axis=0)])
            differences = (running[self._window :] - running[: -self._window])[:: self._step]
            sums[winners == label] = differences[winners == label]
        return np.maximum(sums, 0)


class Median(_Windows):
    """The median of each label over a window, the nine scaled to sum 1.

    Where all nine are 0 the middle step stays as it is.

    Args:
        window: steps; even ones look one step further back than ahead.
        hop: seconds of a step, for the latency.

    >>> median = Median(3)
    >>> ready = median.push(np.eye(9)[[3, 6, 3, 3]])
    >>> likeliest(np.concatenate([ready.rows, median.finish().rows])).tolist()
    [3, 3, 3, 3]
    """

    def __init__(self, window: int = 25, *, hop: float = 0.04) -> None:
        super().__init__(window, 1, True, hop)

    def _of(self, rows: Rows) -> Rows:
        windows = np.sort(np.lib.stride_tricks.sliding_window_view(rows, self._window, axis=0), axis=2)
        there = (~np.isnan(windows[:, :1])).sum(axis=2, keepdims=True)  # NaN is sorted to the end
        low = np.take_along_axis(windows, np.maximum(there - 1, 0) // 2, axis=2)
        high = np.take_along_axis(windows, np.minimum(there // 2, self._window - 1), axis=2)
        middles = ((low + high) / 2)[:, :, 0]
        totals = middles.sum(axis=1, keepdims=True)
        stay = rows[self.before : len(rows) - self.after]
        return np.where(totals > 0, middles / np.where(totals > 0, totals, 1), stay)


class Ewma:
    """Exponentially weighted moving average: s = alpha x + (1 - alpha) s, from 0.

    The rows sum to 1 only in the long run: the classic definition.

    Args:
        alpha: weight of the newest step, above 0 and at most 1.
        hop: seconds of a step, for the latency.

    >>> Ewma(0.5).push(np.eye(9)[[3, 6]]).rows[:, [3, 6]].tolist()
    [[0.5, 0.0], [0.25, 0.5]]
    """

    def __init__(self, alpha: float = 0.3, *, hop: float = 0.04) -> None:
        self.latency = Latency(0, 0.0)
        self._alpha, self._state, self._next = alpha, np.zeros(WIDTH), 0

    def push(self, probabilities: ArrayLike) -> Smoothed:
        """See :class:`Smoother`."""
        rows = checked(probabilities)
        heard = np.flatnonzero(~np.isnan(rows[:, 0]))
        state, keep = self._state, 1 - self._alpha
        for i, news in zip(heard.tolist(), self._alpha * rows[heard], strict=True):
            state = news + keep * state
            rows[i] = state
        self._state = state
        indices = self._next + np.arange(len(rows))
        self._next += len(rows)
        return Smoothed(indices, rows)

    def finish(self) -> Smoothed:
        """See :class:`Smoother`: nothing waits."""
        return Smoothed(np.zeros(0, np.int64), np.zeros((0, WIDTH)))
