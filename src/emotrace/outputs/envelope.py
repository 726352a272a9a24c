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
