"""A recognition as intervals on a time line: what annotation tools understand, and their writers use.

Times are whole milliseconds, the finest that all of the formats hold. Rounding keeps the order of times, so
intervals that do not overlap do not overlap afterwards; what would have no length is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

_UNPRINTABLE = re.compile("[\0-\x20\x7f-\x9f\u2028\u2029\ufffe\uffff]+")


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time that something is said of.

    Attributes:
        start: milliseconds from the start of the recording.
        end: milliseconds, later than ``start``.
        label: what is said: an emotion, or a decision with the codes of its reasons.
        confidence: probability of an emotion, 0 to 1; None of a verdict.
        scores: probability of each emotion; empty of a verdict.
    """

    start: int
    end: int
    label: str
    confidence: float | None
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is known about one recording.

    Attributes:
        source: the input as a person would name it.
        name: its name without folders and ending, on one line.
        end: milliseconds; nothing comes later.
        emotions: by start; those of segments that were given by hand may overlap.
        wholes: the emotion of the recording, or of each segment that was given by hand.
        verdicts: of the same stretches, if they were judged.
        changes: milliseconds and text (``"sad > happy"``) of each change of emotion.
        model: name and revision.
        when: local time of the recognition, ``YYYY-MM-DD HH:MM:SS``.
    """

    source: str
    name: str
    end: int
    emotions: tuple[Interval, ...]
    wholes: tuple[Interval, ...]
    verdicts: tuple[Interval, ...]
    changes: tuple[tuple[int, str], ...]
    model: str
    when: str


def annotation_of(record: Mapping[str, Any], start: float = 0.0) -> Annotation:
    """The annotation of a record.

    A recording without segments is one interval.

    Args:
        record: see :func:`~emotrace.outputs.recognition_record`.
        start: where in the recording it begins, in seconds.

    >>> record = {"source": "calls/a b.wav", "emotion": "sad", "confidence": 0.75, "scores": {},
    ...           "duration_seconds": 1.5, "model": {"name": "compact", "revision": "0123"},
    ...           "timestamp": "2026-01-02 03:04:05"}
    >>> annotation = annotation_of(record, start=2.0)
    >>> annotation.name, [(each.start, each.end, each.label) for each in annotation.emotions]
    ('a b', [(2000, 3500, 'sad')])
    """
    begin = milliseconds(start)
    end = begin + max(1, milliseconds(record["duration_seconds"] or 0.0))
    whole = Interval(begin, end, record["emotion"], record["confidence"], record["scores"])
    parts = [_segment(segment, begin, end) for segment in record.get("segments", ())]
    verdict = record.get("verdict")
    changes = [(begin + milliseconds(change["time"]), change) for change in record.get("change_points", ())]
    return Annotation(
        source=record["source"],
        name=stem_of(record["source"]),
        end=end,
        emotions=tuple(part for part in parts if part.end > part.start) or (whole,),
        wholes=(whole,),
        verdicts=(Interval(begin, end, _told(verdict), None, {}),) if verdict else (),
        changes=tuple((at, f"{change['before']} > {change['after']}") for at, change in changes if at < end),
        model=f"{record['model']['name']} {record['model']['revision']}",
        when=record["timestamp"],
    )


def _segment(segment: Mapping[str, Any], begin: int, end: int) -> Interval:
    first, last = (min(begin + milliseconds(segment[name]), end) for name in ("start", "end"))
    return Interval(first, last, segment["emotion"], segment["confidence"], segment["scores"])


def _told(verdict: Mapping[str, Any]) -> str:
    codes = " ".join(reason["code"] for reason in verdict["reasons"])
    return f"{verdict['decision']}: {codes}" if codes else str(verdict["decision"])


def joined(parts: Sequence[Annotation]) -> Annotation:
    """The annotation of a recording of which several segments were recognised.

    Args:
        parts: one or more, all of one recording.
    """
    if len(parts) == 1:
        return parts[0]
    return Annotation(
        source=parts[0].source,
        name=parts[0].name,
        end=max(part.end for part in parts),
        emotions=_sorted(each for part in parts for each in part.emotions),
        wholes=_sorted(each for part in parts for each in part.wholes),
        verdicts=_sorted(each for part in parts for each in part.verdicts),
        changes=tuple(sorted({each for part in parts for each in part.changes})),
        model=parts[0].model,
        when=max(part.when for part in parts),
    )


def _sorted(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    return tuple(sorted(intervals, key=lambda each: (each.start, each.end, each.label)))


def layers(intervals: Iterable[Interval]) -> list[list[Interval]]:
    """Intervals put on as few tiers as hold them without overlap.

    Args:
        intervals: by start.

    >>> [[(each.start, each.end) for each in tier] for tier in layers(
    ...     [Interval(0, 5, "sad", 1, {}), Interval(3, 8, "sad", 1, {}), Interval(5, 9, "sad", 1, {})])]
    [[(0, 5), (5, 9)], [(3, 8)]]
    """
    tiers: list[list[Interval]] = []
    for each in intervals:
        free = next((tier for tier in tiers if tier[-1].end <= each.start), None)
        if free is None:
            tiers.append([each])
        else:
            free.append(each)
    return tiers


def milliseconds(seconds: float) -> int:
    """The nearest millisecond.

    >>> milliseconds(1.0005), milliseconds(0.0004)
    (1001, 0)
    """
    return int(seconds * 1000 + 0.5)


def stem_of(source: str) -> str:
    r"""The name of a recording without folders and ending, on one line.

    >>> stem_of("calls/two\nlines.wav"), stem_of("s3://bucket/声音.mp3"), stem_of("")
    ('two lines', '声音', 'recording')
    """
    return one_line(PurePosixPath(source.replace("\\", "/")).stem) or "recording"


def one_line(text: str) -> str:
    r"""The text on one line, with nothing that XML or UTF-8 cannot hold.

    >>> one_line("a\tb\x01\ud800")
    'a b \\ud800'
    """
    return _UNPRINTABLE.sub(" ", text).strip().encode("utf-8", "backslashreplace").decode("utf-8")
