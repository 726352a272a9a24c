"""A picture of emotion over time: waveform, ribbon of emotions, probabilities."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import MissingExtraError, OptionError
from emotrace.labels import EMOTIONS, LABELS, emotion
from emotrace.outputs.envelope import Envelope, envelope
from emotrace.outputs.timeline import Run, Timeline, Times, runs, timeline
from emotrace.outputs.writing import replacing
from emotrace.results import Array, Recognition, Signal
from emotrace.timing import SAMPLING_RATE, seconds_to_samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")

COLUMNS = 1600
"""Columns of the waveform, and at most this many steps in the probabilities."""

INK, FAINT, HOLLOW = "#222222", "#6B6B6B", "#B5B5B5"
"""Colours of text, of lines and notes, and of the outline of what is not speech."""

_HATCHES = {"unknown": "////", "other": "...."}  # greys and browns are easily taken for each other
_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)

_CJK = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei")
_MORE_FONTS = (*_CJK, "PingFang SC", "Microsoft YaHei", "SimHei", "Arial Unicode MS")


def check_picture(path: str | os.PathLike[str]) -> None:
    """Find out, before the work, whether a picture of this name can be drawn.

    Raises:
        OptionError: it does not end in ``.png`` or ``.svg``.
        MissingExtraError: matplotlib is not installed.

    >>> check_picture("talk.bmp")
    Traceback (most recent call last):
    emotrace.errors.OptionError: the picture 'talk.bmp' has a name ending in '.bmp'; expected .png or .svg
    """
    suffix = Path(path).suffix
    if suffix.lower() not in SUFFIXES:
        ending = f"a name ending in {suffix!r}" if suffix else "a name without an ending"
        raise OptionError(f"the picture {os.fspath(path)!r} has {ending}; expected .png or .svg")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(
            "drawing needs matplotlib, which is not installed; run: pip install 'emotrace[plot]'"
        )


def save_picture(sound: Signal | Iterable[Array], result: Recognition, path: str | os.PathLike[str]) -> None:
    """Draw a recognition to a PNG or SVG file, by the ending of its name.

    From top to bottom: the waveform in the colours of the emotions, their ribbon with the segments of a
    long recording, and the probability of each emotion over time. Without a track the steps are the
    segments, or the whole recording.

    Args:
        sound: the recording: a Signal, or its blocks, float32 (n,) each, 16 kHz mono, which are read once
            in constant memory.
        result: its recognition.
        path: of the file, which is there whole or not at all.

    Raises:
        OptionError: the name does not end in ``.png`` or ``.svg``.
        MissingExtraError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    check_picture(path)
    blocks, rate = (
        ([sound.samples], sound.sampling_rate) if isinstance(sound, Signal) else (sound, SAMPLING_RATE)
    )
    outline = envelope(blocks, seconds_to_samples(result.duration, rate), COLUMNS)
    figure = _draw(outline, result)
    with replacing(Path(path)) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an emoji in a file name
        figure.savefig(temporary, format=Path(path).suffix.lower()[1:])


def _draw(outline: Envelope, result: Recognition) -> Figure:
    from matplotlib.figure import Figure

    line = timeline(result)
    pieces = list(runs(line))
    figure = Figure(figsize=(12, 6.2), dpi=120, facecolor="white")
    grid = figure.add_gridspec(
        3, 1, height_ratios=(5, 1.15, 6), hspace=0.12, left=0.075, right=0.985, top=0.86, bottom=0.115
    )
    wave, ribbon, area = (figure.add_subplot(grid[i]) for i in range(3))
    _titles(figure, result)
    _waveform(wave, outline, line, result.duration)
    _ribbon(ribbon, pieces, result)
    shown = _areas(area, line)
    for axes in (wave, ribbon, area):
        _tidy(axes, result.duration)
    area.tick_params(labelbottom=True, length=3)
    area.set_xticks(_ticks(result.duration))
    area.xaxis.set_major_formatter(_clock)
    _legend(figure, shown, gaps=any(piece.emotion is None for piece in pieces) or bool(result.segments))
    return figure


def _titles(figure: Figure, result: Recognition) -> None:
    name = _one_line(Path(result.source).name or result.source)
    figure.text(
        0.075, 0.945, name, fontsize=13, fontweight="bold", color=INK, parse_math=False, family=_fonts()
    )
    best = "   ".join(f"{label} {score * 100:.0f} %" for label, score in result.top(3))
    how = f"; {result.track.method}" if result.track is not None else ""
    note = f"overall: {best}     {_clock(result.duration)} long, model {result.model.name}{how}"
    figure.text(0.075, 0.892, note, fontsize=9.5, color=FAINT, parse_math=False)


def _waveform(axes: Axes, outline: Envelope, line: Timeline, duration: float) -> None:
    """Bars from the lowest to the highest sample, in the colour of their step; hollow without speech."""
    from matplotlib.collections import PolyCollection

    edges = np.linspace(0, duration, len(outline.lows) + 1)
    labels = _labels_at(line, (edges[:-1] + edges[1:]) / 2)
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
    axes.set_ylim(-1.08 * peak, 1.08 * peak)
    _name_row(axes, "sound")


def _labels_at(line: Timeline, times: Times) -> NDArray[np.intp]:
    """Index of the likeliest emotion at each time; -1 where there is none."""
    step = np.searchsorted(line.starts, times, side="right") - 1
    inside = (step >= 0) & (times < line.ends[step] + 1e-6)
    rows = line.probabilities[step]
    speech = inside & np.isfinite(rows).all(axis=1)
    return np.where(speech, np.nan_to_num(rows).argmax(axis=1), -1)


def _ribbon(axes: Axes, pieces: list[Run], result: Recognition) -> None:
    """One box per run of an emotion, with its name where it fits; the segments as brackets above."""
    for run in pieces:
        if run.emotion is None:
            continue
        colour, hatch = emotion(run.emotion).colour, _HATCHES.get(run.emotion)
        box = [(run.start, run.end - run.start)]
        axes.broken_barh(box, (0, 1), facecolors=colour, hatch=hatch, edgecolor="white", linewidth=0)
        room = (run.end - run.start) / max(result.duration, 1e-6) * 130  # about characters
        if room > len(run.emotion) + 1:
            middle, ink = (run.start + run.end) / 2, _on(colour)
            plain = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}  # no hatch behind the letters
            axes.text(middle, 0.47, run.emotion, ha="center", va="center", fontsize=9, color=ink, bbox=plain)
    for segment in result.segments:
        axes.plot(
            [segment.start, segment.start, segment.end, segment.end], [1.14, 1.3, 1.3, 1.14],
            color=FAINT, linewidth=0.9, solid_capstyle="butt", solid_joinstyle="miter",
        )  # fmt: skip
    axes.set_ylim(0, 1.42 if result.segments else 1.0)
    _name_row(axes, "emotion")


def _name_row(axes: Axes, name: str) -> None:
    axes.set_yticks([])
    axes.set_ylabel(name, color=FAINT, fontsize=9, rotation=0, ha="right", va="center")


def _areas(axes: Axes, line: Timeline) -> list[int]:
    """Stacked probabilities; the indices of the emotions that can be seen."""
    starts, ends, table = _thinned(line)
    times = np.repeat(np.r_[starts, ends[-1:]], 2)[1:-1] if _touching(starts, ends) else None
    if times is None:  # gaps between segments: a step of nothing in each
        times, table = _with_gaps(starts, ends, table)
    else:
        table = np.repeat(table, 2, axis=0)
    values = np.nan_to_num(table)
    layers = axes.stackplot(times, values.T, colors=[e.colour for e in EMOTIONS], linewidth=0)
    for layer, label in zip(layers, LABELS, strict=True):
        layer.set(hatch=_HATCHES.get(label), edgecolor="white")
    level = np.cumsum(values, axis=1)
    for column in range(len(LABELS) - 1):
        axes.plot(times, level[:, column], color="white", linewidth=0.4)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_ylabel("probability", color=FAINT, fontsize=9)
    return [i for i in range(len(LABELS)) if values[:, i].max() >= 0.03]


def _touching(starts: Times, ends: Times) -> bool:
    return bool(np.allclose(starts[1:], ends[:-1], atol=1e-3))


def _with_gaps(starts: Times, ends: Times, table: Array) -> tuple[Times, Array]:
    times = np.stack([starts, starts, ends, ends], axis=1).reshape(-1)
    nothing = np.full_like(table, np.nan)
    return times, np.stack([nothing, table, table, nothing], axis=1).reshape(-1, table.shape[1])


def _thinned(line: Timeline) -> tuple[Times, Times, Array]:
    """Means over neighbouring steps, so that no more than ``COLUMNS`` are drawn."""
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


def _legend(figure: Figure, shown: list[int], gaps: bool) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(
            facecolor=EMOTIONS[i].colour, label=LABELS[i], hatch=_HATCHES.get(LABELS[i]), edgecolor="white",
            linewidth=0,
        )
        for i in shown
    ]  # fmt: skip
    if gaps:
        handles.append(Patch(facecolor="white", edgecolor=HOLLOW, linewidth=1, label="no speech"))
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9,
        bbox_to_anchor=(0.53, 0.005), handlelength=1.3, handleheight=1.2, columnspacing=1.4,
    )  # fmt: skip


def _tidy(axes: Axes, duration: float) -> None:
    axes.set_xlim(0, max(duration, 1e-3))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(labelbottom=False, bottom=True, length=0, colors=FAINT, labelsize=9)


def _ticks(duration: float) -> list[float]:
    """Round times, at most twelve.

    >>> _ticks(3.2), _ticks(100)[:3]
    ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0], [0, 10, 20])
    """
    step = next((s for s in _TICK_STEPS if duration / s <= 11), duration / 11)
    return [step * i for i in range(int(duration / step + 1e-9) + 1)]


def _clock(seconds: float, _position: Any = None) -> str:
    """Seconds as a person writes a time.

    >>> _clock(3.5), _clock(75), _clock(3725)
    ('0:03.5', '1:15', '1:02:05')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    text = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{minutes}:{text}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{text}"


def _on(colour: str) -> str:
    """Black or white, whichever can be read on a colour.

    >>> _on("#0072B2"), _on("#D9D9D9")
    ('white', 'black')
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


def _one_line(name: str) -> str:
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return text if len(text) <= 90 else f"{text[:60]}...{text[-25:]}"


def _fonts() -> list[str]:
    """The usual font, and one with Chinese letters if there is one."""
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in _MORE_FONTS if name in there][:1]]
