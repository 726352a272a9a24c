"""A picture of emotion over time: waveform, ribbon of emotions, probabilities, confidence, verdict."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotrace.errors import MissingExtraError, OptionError
from emotrace.labels import EMOTIONS, LABELS
from emotrace.outputs import panels
from emotrace.outputs.envelope import Envelope, envelope
from emotrace.outputs.lettering import BASE, Language, Lettering
from emotrace.outputs.panels import FAINT, HOLLOW, INK
from emotrace.outputs.timeline import runs, timeline
from emotrace.outputs.writing import replacing
from emotrace.results import Array, Recognition, Signal, Verdict
from emotrace.timing import SAMPLING_RATE, seconds_to_samples

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")

LEFT, RIGHT = 0.082, 0.98
"""Edges of the panels."""

CODES_CELLS = 150
"""Letters of the reasons that fit on one line."""

FEW_CHANGES = 50
"""So many change points are lines through all panels; more are ticks under the waveform."""

_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)

_BADGES = {
    "keep": ("✓", "#00684D", "white"),
    "flag": ("⚑", "#F0C64A", "black"),
    "drop": ("✗", "#A33100", "white"),
}
"""Mark, colour of the box and of the letters, by decision."""


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


def save_picture(
    sound: Signal | Iterable[Array] | Envelope,
    result: Recognition,
    path: str | os.PathLike[str],
    *,
    language: Language = "en",
) -> None:
    """Draw a recognition to a PNG or SVG file, by the ending of its name.

    From top to bottom: the verdict with its reasons; the waveform in the colours of the emotions; their
    ribbon, smoothed if the result is, with the segments as brackets above; the probability of each emotion as
    the model gave it; the confidence, which is that of the emotion in the ribbon. Dashed lines are change
    points (ticks under the waveform if there are many), small triangles clipped samples. Without a track the
    steps are the segments, or the whole recording.

    Args:
        sound: the recording: a Signal, its blocks, float32 (n,) each, 16 kHz mono, which are read once in
            constant memory, or its outline.
        result: its recognition.
        path: of the file, which is there whole or not at all.
        language: of the words; they stay English on a machine without a font for Chinese. Letters of a name
            that there is no font for are written as escapes.

    Raises:
        OptionError: the name does not end in ``.png`` or ``.svg``.
        MissingExtraError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    check_picture(path)
    outline = sound if isinstance(sound, Envelope) else _outline(sound, result.duration)
    figure = _draw(outline, result, Lettering(language, result.source))
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, format=Path(path).suffix.lower()[1:])


def _outline(sound: Signal | Iterable[Array], duration: float) -> Envelope:
    blocks, rate = (
        ([sound.samples], sound.sampling_rate) if isinstance(sound, Signal) else (sound, SAMPLING_RATE)
    )
    return envelope(blocks, seconds_to_samples(duration, rate), panels.COLUMNS)


def _draw(outline: Envelope, result: Recognition, lettering: Lettering) -> Figure:
    from matplotlib.figure import Figure

    shown, line = timeline(result), timeline(replace(result, smoothed=None))
    pieces = list(runs(shown))
    figure = Figure(figsize=(12, 7.4), dpi=120, facecolor="white")
    grid = figure.add_gridspec(
        4, 1, height_ratios=(5, 1.25, 5, 2.4), hspace=0.13, left=LEFT, right=RIGHT, top=0.858, bottom=0.122
    )
    wave, ribbon, area, sure = (figure.add_subplot(grid[i]) for i in range(4))
    _titles(figure, result, lettering)
    panels.waveform(wave, outline, shown, result.duration)
    panels.ribbon(ribbon, pieces, result, lettering)
    seen = panels.areas(area, line)
    panels.confidence(sure, line, shown)
    marks = _marks(figure, outline, result, lettering)
    if any(piece.emotion is None for piece in pieces) or (result.segments and result.track is None):
        marks.append(_patch(lettering.say("no speech"), facecolor="white", edgecolor=HOLLOW, linewidth=1))
    for axes, name in ((wave, "sound"), (ribbon, "emotion"), (area, "probability"), (sure, "confidence")):
        _tidy(axes, lettering.say(name), result.duration, lettering)
    sure.tick_params(labelbottom=True, length=3)
    sure.set_xticks(_ticks(result.duration))
    sure.xaxis.set_major_formatter(_clock)
    _legend(figure, _emotions(seen, lettering), 0.034 if marks else 0.016, lettering)
    _legend(figure, marks, 0.006, lettering)
    return figure


def _legend(figure: Figure, handles: list[Artist], height: float, lettering: Lettering) -> None:
    if handles:
        figure.legend(
            handles=handles, loc="lower center", ncols=len(handles), frameon=False,
            bbox_to_anchor=((LEFT + RIGHT) / 2, height), handlelength=1.5, handleheight=1.2,
            borderpad=0.2, columnspacing=1.4, prop={"family": lettering.families, "size": 9},
        )  # fmt: skip


def _titles(figure: Figure, result: Recognition, lettering: Lettering) -> None:
    name = lettering.drawable(Path(result.source).name or result.source, 74)
    best = "   ".join(f"{lettering.label(label)} {score * 100:.0f} %" for label, score in result.top(3))
    parts = [lettering.say("long", _clock(result.duration)), lettering.say("model", result.model.name)]
    if result.track is not None:
        parts.append(result.track.method)
    if result.smoothing is not None:
        parts.append(lettering.say("smoothed", result.smoothing.method))
    note = lettering.say("overall", best) + "     " + ", ".join(parts)

    def write(height: float, text: str, **looks: Any) -> None:
        figure.text(LEFT, height, text, **{"parse_math": False, "family": lettering.families, **looks})

    bold = {"fontweight": "bold", "family": BASE} if name.isascii() else {}  # few others have a bold font
    write(0.953, name, fontsize=13, color=INK, **bold)
    write(0.915, lettering.drawable(note, 170), fontsize=9.5, color=FAINT)
    if result.verdict is not None:
        _badge(figure, result.verdict, lettering)
        write(
            0.88, lettering.drawable(lettering.reasons(result.verdict), CODES_CELLS), fontsize=9.5, color=INK
        )


def _badge(figure: Figure, verdict: Verdict, lettering: Lettering) -> None:
    mark, colour, ink = _BADGES[verdict.decision]
    box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": "none"}
    words = f"{mark} {lettering.say(verdict.decision)}"
    figure.text(
        RIGHT - 0.008, 0.955, words, fontsize=12.5, ha="right", color=ink, family=lettering.families, bbox=box
    )


def _marks(figure: Figure, outline: Envelope, result: Recognition, lettering: Lettering) -> list[Artist]:
    """Draws change points, clipped samples and the limit of the confidence; what the legend says of them."""
    wave, _, area, sure = figure.axes
    handles: list[Artist] = []
    if len(result.change_points) > FEW_CHANGES:
        handles.append(_changes([wave], result, 0.06, "-", lettering))
    elif result.change_points:
        handles.append(_changes([wave, area, sure], result, 1, "--", lettering))
    if result.segments:
        handles.append(_line(lettering.say("segment"), color=FAINT, marker=3))
    reasons = {reason.code: reason for reason in result.verdict.reasons} if result.verdict else {}
    if "clipped" in reasons:
        panels.clipped(wave, outline, result.duration)
        handles.append(_line(lettering.say("clipped"), linestyle="none", marker="v", markersize=4))
    if "low-confidence" in reasons:
        limit = reasons["low-confidence"].threshold
        sure.axhline(limit, color=INK, linewidth=0.8, linestyle=":")
        handles.append(_line(lettering.say("limit", f"{limit * 100:.0f}"), linestyle=":"))
    return handles


def _changes(
    places: list[Axes], result: Recognition, height: float, style: str, lettering: Lettering
) -> Artist:
    for axes in places:
        for change in result.change_points:
            axes.axvline(change.time, 0, height, color=INK, linewidth=0.8, linestyle=style)
    tick = {"linestyle": "none", "marker": "|"} if style == "-" else {"linestyle": style}
    return _line(lettering.say("change"), **tick)


def _line(label: str, **looks: Any) -> Artist:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **{"color": INK, "linewidth": 0.9, **looks})


def _emotions(seen: list[int], lettering: Lettering) -> list[Artist]:
    return [
        _patch(
            lettering.label(LABELS[i]), facecolor=EMOTIONS[i].colour, hatch=panels.HATCHES[LABELS[i]],
            edgecolor=(1, 1, 1, 0.45), linewidth=0,
        )
        for i in seen
    ]  # fmt: skip


def _patch(label: str, **looks: Any) -> Artist:
    from matplotlib.patches import Patch

    return Patch(label=label, **looks)


def _tidy(axes: Axes, name: str, duration: float, lettering: Lettering) -> None:
    axes.set_xlim(0, max(duration, 1e-3))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(labelbottom=False, bottom=True, length=0, colors=FAINT, labelsize=9)
    across: Any = {"rotation": 0, "ha": "right", "va": "center"} if len(axes.get_yticks()) == 0 else {}
    axes.set_ylabel(name, color=FAINT, fontsize=9, family=lettering.families, **across)


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
