"""The panels of a picture: waveform, ribbon of emotions, probabilities, confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotrace.labels import EMOTIONS, LABELS, emotion
from emotrace.outputs.envelope import Envelope
from emotrace.outputs.lettering import Lettering, width
from emotrace.outputs.timeline import Run, Timeline, Times
from emotrace.results import Array, Recognition

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 1600
"""Columns of the waveform, and at most this many steps in the lines."""

INK, FAINT, HOLLOW = "#222222", "#6B6B6B", "#B5B5B5"
"""Colours of text, of lines and notes, and of the outline of what is not speech."""

HATCHES = {
    "angry": "xxx",
    "disgusted": "ooo",
    "fearful": "|||",
    "happy": None,
    "neutral": "---",
    "other": "....",
    "sad": "\\\\\\",
    "surprised": "+++",
    "unknown": "////",
}
"""Told apart without colours, too."""

STACKED_HATCHES = {"unknown": "////", "other": "...."}  # greys and browns are easily taken for each other

CHARACTERS = 120
"""Letters that fit beside each other in the ribbon."""

FULL_SCALE = 0.985


def waveform(axes: Axes, outline: Envelope, line: Timeline, duration: float) -> None:
    """Bars from the lowest to the highest sample, in the colour of their step; hollow without speech."""
    from matplotlib.collections import PolyCollection

    edges = np.linspace(0, duration, len(outline.lows) + 1)
    labels = labels_at(line, (edges[:-1] + edges[1:]) / 2)
    peak = max(1e-4, float(np.abs(outline.lows).max()), float(np.abs(outline.highs).max()))
    thin = 0.006 * peak  # silence is a line, not nothing
    low, high = np.minimum(outline.lows, -thin), np.maximum(outline.highs, thin)
    left, right = edges[:-1], edges[1:]
    corners = np.stack([np.c_[left, low], np.c_[left, high], np.c_[right, high], np.c_[right, low]], axis=1)
    speech = labels >= 0
    colours = [EMOTIONS[label].colour for label in labels[speech]]
    bars = PolyCollection(list(corners[speech]), facecolors=colours, edgecolors=colours, linewidths=0.3)
    axes.add_collection(bars)
    for outside in (low, high):
        axes.plot((left + right) / 2, np.where(speech, np.nan, outside), color=HOLLOW, linewidth=0.6)
    axes.set_ylim(-1.12 * peak, 1.12 * peak)
    axes.set_yticks([])


def clipped(axes: Axes, outline: Envelope, duration: float) -> None:
    """A mark over each column that reaches full scale."""
    columns = np.flatnonzero(np.maximum(outline.highs, -outline.lows) >= FULL_SCALE)
    times = (columns + 0.5) * duration / len(outline.highs)
    axes.plot(
        times, np.full(len(times), axes.get_ylim()[1] * 0.955), linestyle="none", marker="v", markersize=3.5,
        color=INK, markeredgewidth=0,
    )  # fmt: skip


def labels_at(line: Timeline, times: Times) -> NDArray[np.intp]:
    """Index of the likeliest emotion at each time in seconds, (n,); -1 where there is none."""
    step = np.searchsorted(line.starts, times, side="right") - 1
    inside = (step >= 0) & (times < line.ends[step] + 1e-6)
    rows = line.probabilities[step]
    speech = inside & np.isfinite(rows).all(axis=1)
    return np.where(speech, np.nan_to_num(rows).argmax(axis=1), -1)


def ribbon(axes: Axes, pieces: list[Run], result: Recognition, lettering: Lettering) -> None:
    """One box per run of an emotion, with its name where it fits; the segments as brackets above."""
    for run in pieces:
        if run.emotion is None:
            continue
        colour = emotion(run.emotion).colour
        axes.broken_barh(
            [(run.start, run.end - run.start)], (0, 1), facecolors=colour, hatch=HATCHES[run.emotion],
            edgecolor=(1, 1, 1, 0.45), linewidth=0,
        )  # fmt: skip
        name = _fitting_name(run, result.duration, lettering)
        if name:
            plain = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}  # no hatch behind the letters
            axes.text(
                (run.start + run.end) / 2, 0.47, name, ha="center", va="center", fontsize=9, bbox=plain,
                color=_on(colour), family=lettering.families,
            )  # fmt: skip
    for segment in result.segments:
        axes.plot(
            [segment.start, segment.start, segment.end, segment.end], [1.14, 1.3, 1.3, 1.14],
            color=FAINT, linewidth=0.9, solid_capstyle="butt", solid_joinstyle="miter",
        )  # fmt: skip
    axes.set_ylim(0, 1.42 if result.segments else 1.0)
    axes.set_yticks([])


def _fitting_name(run: Run, duration: float, lettering: Lettering) -> str:
    room = (run.end - run.start) / max(duration, 1e-6) * CHARACTERS
    names = [lettering.label(run.emotion or "", short) for short in (False, True)]
    return next((name for name in names if width(name) + 1.5 < room), "")


def areas(axes: Axes, line: Timeline) -> list[int]:
    """Stacked probabilities; the indices of the emotions that can be seen."""
    starts, ends, table = thinned(line)
    times, table = outlined(starts, ends, table)
    values = np.nan_to_num(table)
    layers = axes.stackplot(times, values.T, colors=[e.colour for e in EMOTIONS], linewidth=0)
    for layer, label in zip(layers, LABELS, strict=True):
        layer.set(hatch=STACKED_HATCHES.get(label), edgecolor="white")
    level = np.cumsum(values, axis=1)
    for column in range(len(LABELS) - 1):
        axes.plot(times, level[:, column], color="white", linewidth=0.4)
    _share_axis(axes)
    return [i for i in range(len(LABELS)) if values[:, i].max() >= 0.03]


def confidence(axes: Axes, line: Timeline, shown: Timeline) -> None:
    """The probability of the emotion that is shown, step by step.

    Args:
        axes: where to.
        line: probabilities before smoothing.
        shown: which emotion is shown.
    """
    starts, ends, table = thinned(line)
    labels = labels_at(shown, (starts + ends) / 2)
    chosen = table[np.arange(len(table)), np.maximum(labels, 0)]
    times, values = outlined(starts, ends, np.where(labels >= 0, chosen, np.nan)[:, None])
    axes.fill_between(times, np.nan_to_num(values[:, 0]), color="#E4E4E4", linewidth=0)
    axes.plot(times, values[:, 0], color=INK, linewidth=1.1)
    _share_axis(axes)


def _share_axis(axes: Axes) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])


def outlined(starts: Times, ends: Times, table: Array) -> tuple[Times, Array]:
    """Corners (n,), (n, 9) of steps, each value at both ends; NaN between steps that do not touch."""
    if np.allclose(starts[1:], ends[:-1], atol=1e-3):
        return np.repeat(np.r_[starts, ends[-1:]], 2)[1:-1], np.repeat(table, 2, axis=0)
    times = np.stack([starts, starts, ends, ends], axis=1).reshape(-1)
    nothing = np.full_like(table, np.nan)
    return times, np.stack([nothing, table, table, nothing], axis=1).reshape(-1, table.shape[1])


def thinned(line: Timeline) -> tuple[Times, Times, Array]:
    """Starts (T,), ends (T,) and means (T, 9) of neighbouring steps, T at most ``COLUMNS``."""
    group = -(-len(line.starts) // COLUMNS)
    if group == 1:
        return line.starts, line.ends, line.probabilities
    firsts = np.arange(0, len(line.starts), group)
    speech = np.isfinite(line.probabilities).all(axis=1)
    counts = np.add.reduceat(speech, firsts, dtype=np.float64)[:, None]
    sums = np.add.reduceat(np.nan_to_num(line.probabilities), firsts, axis=0)
    means = np.where(counts * 2 >= group, sums / np.maximum(counts, 1), np.nan)
    lasts = np.r_[firsts[1:] - 1, len(line.ends) - 1]
    return line.starts[firsts], line.ends[lasts], means.astype(np.float32)


def _on(colour: str) -> str:
    """Black or white, whichever can be read on a colour.

    >>> _on("#0072B2"), _on("#D9D9D9")
    ('white', 'black')
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"
