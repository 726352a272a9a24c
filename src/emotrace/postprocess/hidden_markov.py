"""Smoothing by a hidden Markov chain of emotions: online with a fixed lag, and over whole recordings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotrace.postprocess.chain import Chain, Matrix, Trend, normalised
from emotrace.postprocess.smoothing import WIDTH, Latency, Rows, Smoothed, checked

_RESCALE = 16  # steps until products are scaled up again
_BLOCK = 1 << 14  # steps whose best predecessors are looked for at a time

Product: TypeAlias = Callable[[Rows, Matrix, Rows], object]


def _sum_product(states: Rows, matrices: Matrix, out: Rows) -> None:
    np.matmul(states[:, None], matrices, out[:, None])


def _max_product(states: Rows, matrices: Matrix, out: Rows) -> None:
    np.maximum.reduce(matrices * states[:, :, None], axis=1, out=out)


def _sweep(evidence: Rows, matrices: Matrix, first: Rows, product: Product, done: int = 0) -> Rows:
    """Run several chains side by side: each state is the product of the last with the matrix, times evidence.

    Args:
        evidence: float64 (n, chains, 9).
        matrices: float64 (chains, 9, 9), from one step to the next.
        first: float64 (chains, 9): the states before if ``done`` is more than 0, else where the chains start.
        product: of states and matrices.
        done: steps before these ones; the scaling counts on from there.
    """
    out = np.empty_like(evidence)
    states = first
    for i, (row, news) in enumerate(zip(out, evidence, strict=True), done):
        if i:
            product(states, matrices, row)
            row *= news
        else:
            np.multiply(states, news, out=row)
        if i % _RESCALE == 0:
            row /= row.max(axis=1, keepdims=True)
        states = row
    return out


class OnlineHiddenMarkov:
    """Probability of each emotion, given all steps so far and those of a fixed lag ahead.

    Args:
        chain: the model.
        lag: steps to wait for.
        trend: seconds that each step is carried on along its slope.
        hop: seconds of a step.

    >>> from emotrace.postprocess.chain import sticky
    >>> smoother = OnlineHiddenMarkov(Chain(sticky(4.0, 0.04), 0.1, np.full(9, 1 / 9)), lag=12)
    >>> smoother.latency
    Latency(steps=12, seconds=0.48)
    >>> len(smoother.push(np.full((100, 9), 1 / 9)).rows), len(smoother.finish().rows)
    (88, 12)
    """

    def __init__(self, chain: Chain, lag: int, *, trend: float = 0.0, hop: float = 0.04) -> None:
        self.latency = Latency(lag, lag * hop)
        self._chain, self._lag, self._trend = chain, lag, Trend(trend, hop)
        self._total = 0
        self._state = np.full((1, WIDTH), 1 / WIDTH)
        self._forward = self._evidence = np.zeros((0, WIDTH))
        self._silent = np.zeros(0, bool)

    def push(self, probabilities: ArrayLike) -> Smoothed:
        """See :class:`~emotrace.postprocess.smoothing.Smoother`."""
        rows = checked(probabilities)
        news = self._chain.evidence(self._trend.of(rows)) if len(rows) else rows
        matrices = self._chain.transitions[None]
        forward = _sweep(news[:, None], matrices, self._state, _sum_product, self._total)[:, 0]
        if len(forward):
            self._state = forward[-1:].copy()
        self._total += len(rows)
        self._forward = np.concatenate([self._forward, forward])
        self._evidence = np.concatenate([self._evidence, news])
        self._silent = np.concatenate([self._silent, np.isnan(rows[:, 0])])
        return self._take(max(0, len(self._forward) - self._lag), self._evidence)

    def finish(self) -> Smoothed:
        """See :class:`~emotrace.postprocess.smoothing.Smoother`."""
        ahead = np.ones((min(self._lag, len(self._forward)), WIDTH))
        return self._take(len(self._forward), np.concatenate([self._evidence, ahead]))

    def _take(self, count: int, evidence: Rows) -> Smoothed:
        first = self._total - len(self._forward)
        backward = np.ones((count, WIDTH))
        if count:
            towards = np.ascontiguousarray(self._chain.transitions.T)
            for ahead in range(len(evidence) - count, 0, -1):
                backward = (backward * evidence[ahead : ahead + count]) @ towards
                backward /= backward.max(axis=1, keepdims=True)
        rows = normalised(self._forward[:count] * backward)
        rows[self._silent[:count]] = np.nan
        self._forward, self._evidence = self._forward[count:].copy(), self._evidence[count:].copy()
        self._silent = self._silent[count:].copy()
        return Smoothed(first + np.arange(count), rows)


class _WholeRecording:
    """Gathers all steps and smooths them at the end."""

    latency = Latency(math.inf, math.inf)

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._parts: list[Rows] = []

    def push(self, probabilities: ArrayLike) -> Smoothed:
        """See :class:`~emotrace.postprocess.smoothing.Smoother`."""
        self._parts.append(checked(probabilities))
        return Smoothed(np.zeros(0, np.int64), np.zeros((0, WIDTH)))

    def finish(self) -> Smoothed:
        """See :class:`~emotrace.postprocess.smoothing.Smoother`."""
        rows = np.concatenate([np.zeros((0, WIDTH)), *self._parts])
        self._parts = []
        if len(rows):
            silent = np.isnan(rows[:, 0])
            rows = self._of(self._chain.evidence(rows))
            rows[silent] = np.nan
        return Smoothed(np.arange(len(rows)), rows)

    def _both_ways(self, evidence: Rows, product: Product) -> tuple[Rows, Rows]:
        """Forward products, and their products with the backward ones."""
        matrix = self._chain.transitions
        first = np.stack([np.full(WIDTH, 1 / WIDTH), np.ones(WIDTH)])
        both = np.stack([evidence, evidence[::-1]], axis=1)
        swept = _sweep(both, np.stack([matrix, matrix.T]), first, product)
        forward, backward = swept[:, 0], swept[::-1, 1]
        return forward, normalised(forward * (backward / evidence))

    def _of(self, evidence: Rows) -> Rows:
        raise NotImplementedError


class ForwardBackward(_WholeRecording):
    """Probability of each emotion, given the whole recording.

    Args:
        chain: the model.

    >>> from emotrace.postprocess.chain import sticky
    >>> smoother = ForwardBackward(Chain(sticky(4.0, 0.04), 0.1, np.full(9, 1 / 9)))
    >>> len(smoother.push(np.full((100, 9), 1 / 9)).rows), len(smoother.finish().rows)
    (0, 100)
    """

    def _of(self, evidence: Rows) -> Rows:
        return self._both_ways(evidence, _sum_product)[1]


class Viterbi(_WholeRecording):
    """The likeliest sequence of emotions, given the whole recording.

    A row compares the likeliest sequences through each emotion at that step; the largest is that of the path.

    Args:
        chain: the model.

    >>> from emotrace.postprocess.chain import sticky
    >>> smoother = Viterbi(Chain(sticky(4.0, 0.04), 0.1, np.full(9, 1 / 9)))
    >>> _ = smoother.push(np.eye(9)[[3] * 50 + [6] * 50])
    >>> smoother.finish().rows.argmax(axis=1).tolist() == [3] * 50 + [6] * 50
    True
    """

    def _of(self, evidence: Rows) -> Rows:
        forward, rows = self._both_ways(evidence, _max_product)
        path = self._path(forward)
        every = np.arange(len(rows))
        tie = rows.argmax(axis=1) != path
        rows[every[tie], path[tie]] = np.nextafter(rows[tie].max(axis=1), np.inf)
        return rows

    def _path(self, forward: Rows) -> NDArray[np.int64]:
        matrix = self._chain.transitions
        label = int(forward[-1].argmax())
        path = [label]
        last = len(forward) - 1
        for end in range(last, 0, -_BLOCK):
            part = forward[max(0, end - _BLOCK) : end]
            best = (part[:, :, None] * matrix).argmax(axis=1).tolist()
            for choices in reversed(best):
                label = choices[label]
                path.append(label)
        return np.array(path[::-1], np.int64)
