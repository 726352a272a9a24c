"""Emotion over time as SVG and HTML: waveform, ribbon of emotions, probabilities; scales with the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from emotrace.labels import EMOTIONS, LABELS, emotion
from emotrace.outputs.envelope import Envelope
from emotrace.webui.markup import clock, percent
from emotrace.webui.texts import Words

COLUMNS = 480
"""Bars of the waveform."""

POINTS = 300
"""Steps of the curves, at most."""

NARROWEST = 4.0
"""Percent of the width under which a stretch in the ribbon has no name; looks hide those that do not fit."""

_HEIGHT = 100
_TICKS = (0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_TOUCHING = 1e-3


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time with one emotion: ``start`` and ``end`` in seconds, and its mean probability."""

    start: float
    end: float
    emotion: str
    confidence: float


def stretches(record: Mapping[str, Any]) -> list[Stretch]:
    """The emotions of a recognition's record in order: of its frames, else its segments, else the whole.

    Where segments were asked for, they come before the frames.

    >>> frames = [{"emotion": "sad", "score": 0.5, "timestamp": time} for time in (0.0, 0.5)]
    >>> stretches({"duration_seconds": 1.0, "granularity": "frame", "frames": frames})
    [Stretch(start=0.0, end=1.0, emotion='sad', confidence=0.5)]
    """
    duration = record["duration_seconds"]
    frames, segments = record.get("frames"), record.get("segments")
    if frames and not (segments and record["granularity"] == "segment"):
        return list(_runs(frames, duration))
    if segments:
        return [Stretch(s["start"], s["end"], s["emotion"], s["confidence"]) for s in segments]
    return [Stretch(0.0, duration, record["emotion"], record["confidence"])]


def timeline(record: Mapping[str, Any], outline: Envelope | None, sound: str | None, words: Words) -> str:
    """The figure.

    Args:
        record: of a recognition.
        outline: of its waveform; None draws none.
        sound: address of the recording to listen to; None is none.
        words: of the page.
    """
    duration = max(record["duration_seconds"], 1e-3)
    found = stretches(record)
    wave = "" if outline is None else _wave(outline, found, duration, words)
    areas = _areas(record.get("frames") or [], duration, words)
    player = "" if sound is None else f'<audio controls preload="none" src="{escape(sound)}"></audio>'
    return (
        f'<figure class="em-timeline" data-seconds="{duration:.3f}"><div class="em-tracks">{wave}'
        f'{_ribbon(found, duration, words)}{areas}<div class="em-head" hidden></div></div>'
        f"{_axis(duration)}{_legend(found, words)}{player}</figure>"
    )


def _runs(frames: Sequence[Mapping[str, Any]], duration: float) -> Iterator[Stretch]:
    times = [frame["timestamp"] for frame in frames]
    hop = min((b - a for a, b in pairwise(times)), default=duration)
    first = 0
    for i in range(1, len(frames) + 1):
        if (
            i < len(frames)
            and frames[i]["emotion"] == frames[first]["emotion"]
            and times[i] - times[i - 1] < 1.5 * hop
        ):
            continue
        mean = sum(frame["score"] for frame in frames[first:i]) / (i - first)
        yield Stretch(times[first], min(times[i - 1] + hop, duration), frames[first]["emotion"], mean)
        first = i


def _wave(outline: Envelope, found: list[Stretch], duration: float, words: Words) -> str:
    outline = _narrowed(outline)
    count = len(outline.lows)
    peak = max(1e-3, float(np.abs(outline.lows).max()), float(np.abs(outline.highs).max()))
    middles = (np.arange(count) + 0.5) * duration / count
    bars: dict[str, list[str]] = {}
    for i, name in enumerate(_names_at(found, middles)):
        low = min(-1.0, _HEIGHT / 2 * float(outline.lows[i]) / peak)
        high = max(1.0, _HEIGHT / 2 * float(outline.highs[i]) / peak)
        bars.setdefault(name, []).append(f"M{i + 0.5} {-high:.1f}V{-low:.1f}")
    paths = "".join(
        f'<path d="{"".join(lines)}" stroke="{emotion(name).colour if name else "var(--em-hollow)"}"/>'
        for name, lines in bars.items()
    )
    name = escape(words("timeline.alt", clock(duration)))
    return (
        f'<svg class="em-wave" role="img" aria-label="{name}" preserveAspectRatio="none" '
        f'viewBox="0 {-_HEIGHT / 2:g} {count} {_HEIGHT}">{paths}</svg>'
    )


def _narrowed(outline: Envelope) -> Envelope:
    """The outline in at most :data:`COLUMNS` columns."""
    at = np.linspace(0, len(outline.lows), min(COLUMNS, len(outline.lows)), endpoint=False).astype(int)
    return Envelope(np.minimum.reduceat(outline.lows, at), np.maximum.reduceat(outline.highs, at))


def _names_at(found: list[Stretch], times: Any) -> Iterator[str]:
    at = 0
    for time in times:
        while at + 1 < len(found) and found[at].end <= time:
            at += 1
        yield found[at].emotion if found and found[at].start <= time < found[at].end + _TOUCHING else ""


def _ribbon(found: list[Stretch], duration: float, words: Words) -> str:
    boxes: dict[str, list[str]] = {}
    names: list[str] = []
    for each in found:
        left, width = 100 * each.start / duration, 100 * max(each.end - each.start, 0) / duration
        boxes.setdefault(each.emotion, []).append(f"M{left:.2f} 0h{width:.2f}v1h-{width:.2f}z")
        if width >= NARROWEST:
            names.append(_name(each, left, width, words))
    paths = "".join(f'<path d="{"".join(d)}" fill="{emotion(name).colour}"/>' for name, d in boxes.items())
    return (
        '<div class="em-ribbon"><svg preserveAspectRatio="none" viewBox="0 0 100 1" aria-hidden="true">'
        f"{paths}</svg>{''.join(names)}</div>"
    )


def _name(each: Stretch, left: float, width: float, words: Words) -> str:
    what = emotion(each.emotion)
    shown = f"{words.label(each.emotion)} {percent(each.confidence)}, {clock(each.start)} - {clock(each.end)}"
    ink = "#fff" if _dark(what.colour) else "#111"
    return (
        f'<span class="em-run" title="{escape(shown)}" '
        f'style="left:{left:.2f}%;width:{width:.2f}%;color:{ink}">'
        f"<i>{what.emoji}</i><b>{escape(words.label(each.emotion))}</b></span>"
    )


def _dark(colour: str) -> bool:
    """Whether white letters are read more easily on a colour than black ones."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance: float = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return luminance < 0.179


def _areas(frames: Sequence[Mapping[str, Any]], duration: float, words: Words) -> str:
    """Probabilities on top of each other, in the order of the labels."""
    if len(frames) < 2 or "scores" not in frames[0]:
        return ""
    chosen = frames[:: max(1, len(frames) // POINTS)]
    times = np.array([frame["timestamp"] for frame in chosen])
    rows = np.array([[frame["scores"][name] for name in LABELS] for frame in chosen])
    tops = np.cumsum(rows, axis=1)
    gaps = np.flatnonzero(np.diff(times) > 1.5 * max(np.median(np.diff(times)), 1e-3)) + 1
    shapes = []
    for i, each in enumerate(EMOTIONS):
        if rows[:, i].max() < 0.01:
            continue
        lower = tops[:, i - 1] if i else np.zeros(len(times))
        parts = (_area(t, lo, hi, duration) for t, lo, hi in _split(gaps, times, lower, tops[:, i]))
        shapes.append(
            f'<path d="{"".join(parts)}" fill="{each.colour}"><title>{words.label(each.name)}</title></path>'
        )
    return (
        f'<svg class="em-areas" role="img" aria-label="{escape(words("scores"))}" preserveAspectRatio="none" '
        f'viewBox="0 0 100 1">{"".join(shapes)}</svg>'
    )


def _split(at: Any, *columns: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*(np.split(column, at) for column in columns), strict=True)


def _area(times: Any, lower: Any, upper: Any, duration: float) -> str:
    x = 100 * times / duration
    there = [f"{a:.2f} {1 - b:.3f}" for a, b in zip(x, upper, strict=True)]
    back = [f"{a:.2f} {1 - b:.3f}" for a, b in zip(x[::-1], lower[::-1], strict=True)]
    return f"M{'L'.join(there + back)}Z"


def _legend(found: list[Stretch], words: Words) -> str:
    """Which colour is what, and how much of the time it has."""
    seconds: dict[str, float] = {}
    for each in found:
        seconds[each.emotion] = seconds.get(each.emotion, 0.0) + each.end - each.start
    total = sum(seconds.values())
    if len(seconds) < 2 or total <= 0:
        return ""
    items = "".join(
        f'<li><i style="background:{emotion(name).colour}"></i>{escape(words.label(name))} '
        f"{percent(share / total)}</li>"
        for name, share in sorted(seconds.items(), key=lambda each: -each[1])
    )
    return f'<ul class="em-legend" aria-label="{escape(words("shares"))}">{items}</ul>'


def _axis(duration: float) -> str:
    step = next((each for each in _TICKS if duration / each <= 7), duration / 7)
    marks = [step * i for i in range(int(duration / step + 1e-9) + 1)]
    spans = "".join(
        f'<span style="left:{100 * mark / duration:.2f}%">{clock(mark)}</span>'
        for mark in marks
        if mark <= 0.97 * duration or len(marks) == 1
    )
    return f'<div class="em-axis" aria-hidden="true">{spans}</div>'
