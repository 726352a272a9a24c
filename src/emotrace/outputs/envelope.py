"""The outline of a waveform, as narrow as a picture, from a recording of any length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from emotrace.results import Array


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Lowest and highest sample of each column of a picture.

    Attributes:
        lows: float32 (columns,); 0 where a column has no sample.
        highs: float32 (columns,).
    """

    lows: Array
    highs: Array


def envelope(blocks: Iterable[Array], length: int, columns: int = 1600) -> Envelope:
    """Outline of a recording, in memory that does not depend on its length.

    Args:
        blocks: float32 (n,) each, together the recording; read once.
        length: samples of the recording; what comes after them falls into the last column.
        columns: at most this many; fewer if there are fewer samples.

    >>> outline = envelope([np.float32([0, 1, -1]), np.float32([0.5])], length=4, columns=2)
    >>> outline.lows.tolist(), outline.highs.tolist()
    ([0.0, -1.0], [1.0, 0.5])
    """
    columns = max(1, min(columns, length))
    lows = np.full(columns, np.inf, np.float32)
    highs = np.full(columns, -np.inf, np.float32)
    position = 0
    for block in blocks:
        if not len(block):
            continue
        index = np.arange(position, position + len(block), dtype=np.int64)
        bins = np.minimum(index * columns // max(1, length), columns - 1)
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        which = bins[starts]
        lows[which] = np.minimum(lows[which], np.minimum.reduceat(block, starts))
        highs[which] = np.maximum(highs[which], np.maximum.reduceat(block, starts))
        position += len(block)
    empty = lows > highs
    lows[empty] = highs[empty] = 0
    return Envelope(lows, highs)


class OutlineMeter:
    """Takes the outline of a recording whose length nobody knows yet, block by block, in constant memory.

    Args:
        columns: at most this many, an even number; at least half as many, if there are so many samples.
        step: fewest samples of a column.

    >>> meter = OutlineMeter(columns=4, step=1)
    >>> for block in (np.float32([0, 1, -1]), np.float32([0.5, 0.25])):
    ...     meter.push(block)
    >>> meter.result().highs.tolist()
    [1.0, 0.5, 0.25]
    """

    def __init__(self, columns: int = 1600, step: int = 8) -> None:
        self._columns, self._step = columns, step
        self._rest = np.zeros(0, np.float32)
        self._lows = self._highs = self._rest

    def push(self, block: Array) -> None:
        """Take in the next samples, float32 (n,)."""
        samples = np.concatenate([self._rest, block]).astype(np.float32, copy=False)
        while len(samples) >= self._step:
            rows = samples[: len(samples) // self._step * self._step].reshape(-1, self._step)
            rows = rows[: self._columns - len(self._lows)]
            across = np.ascontiguousarray(rows.T)  # many times faster than the same along short rows
            self._lows = np.concatenate([self._lows, across.min(0)])
            self._highs = np.concatenate([self._highs, across.max(0)])
            samples = samples[rows.size :]
            if len(self._lows) == self._columns:
                self._halve()
        self._rest = samples

    def result(self) -> Envelope:
        """The outline of what came so far; one flat column if nothing did."""
        rest = self._rest if len(self._rest) or len(self._lows) else np.zeros(1, np.float32)
        if not len(rest):
            return Envelope(self._lows, self._highs)
        return Envelope(np.append(self._lows, rest.min()), np.append(self._highs, rest.max()))

    def _halve(self) -> None:
        """Two neighbours become one, so that there is room again."""
        self._lows = np.minimum(self._lows[::2], self._lows[1::2])
        self._highs = np.maximum(self._highs[::2], self._highs[1::2])
        self._step *= 2
