"""From a track to segments, change points and shares of time; pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from emotrace.labels import LABELS
from emotrace.postprocess.options import SegmentOptions
from emotrace.postprocess.smoothing import Rows, likeliest
from emotrace.results import ChangePoint, EmotionTrack, Segment

_FLOOR = 1e-6


@dataclass(slots=True)
class _Run:
    """Steps ``first`` to ``last - 1`` of one emotion; ``part`` counts the long pauses before it."""

    first: int
    last: int
    label: int
    part: int
    merged: bool = False


def segments_of(
    track: EmotionTrack, options: SegmentOptions | None = None, *, scores: EmotionTrack | None = None
) -> tuple[Segment, ...]:
    """Stretches of one emotion each.

    An emotion stays until another one is likelier by the margin; a pause that is longer than
    ``max_pause`` ends a segment. Then the shortest segment under the minimum duration is merged into the
    neighbour without a pause between that has more of its emotion in it, again and again; without such a
    neighbour it stays.

    Args:
        track: emotion over time, as a rule smoothed.
        options: how it is cut.
        scores: the track before smoothing, whose probabilities are then told, because smoothing makes them
            too sure; its steps must be those of ``track``.

    Returns:
        In the order of time. ``scores`` are mean probabilities, so that of ``emotion`` is its mean score;
        ``confidence`` is its probability by the mean of the logarithms, as if the steps were observations
        of one utterance.

    Raises:
        ValueError: ``scores`` has other steps.

    >>> rows = np.eye(9, dtype=np.float32)[[3] * 20 + [6] * 30]
    >>> track = EmotionTrack(np.arange(50, dtype=np.float32) / 25, rows, 0.04, "by hand")
    >>> [(s.start, s.end, s.emotion) for s in segments_of(track)]
    [(0.0, 0.8, 'happy'), (0.8, 2.0, 'sad')]
    """
    options = options or SegmentOptions()
    if scores is not None and not np.array_equal(scores.times, track.times):
        raise ValueError(f"the scores have {len(scores)} other steps than the track; expected the same steps")
    rows = np.asarray(track.probabilities, np.float64)
    told = rows if scores is None else np.asarray(scores.probabilities, np.float64)
    parts = _parts(track, options.max_pause)
    runs = _runs(_held(rows, parts, options.margin), parts)
    starts = exact_times(track)
    merged = _merged(runs, starts, track.hop, told, options.min_duration)
    return tuple(_segment(run, starts, track.hop, told) for run in merged)


def change_points(segments: Sequence[Segment]) -> tuple[ChangePoint, ...]:
    """Where the emotion changes from one segment to the next.

    Args:
        segments: in the order of time.

    Returns:
        One for each two neighbours with different emotions, at the start of the later one. ``strength`` is
        the total variation distance of their scores: the share of probability that goes elsewhere, 0 to 1.

    >>> scores = [dict.fromkeys(LABELS, 0.0) | {emotion: 1.0} for emotion in ("happy", "sad")]
    >>> pair = [Segment(0.0, 0.8, "happy", 1.0, scores[0]), Segment(0.8, 2.0, "sad", 1.0, scores[1])]
    >>> change_points(pair)
    (ChangePoint(time=0.8, before='happy', after='sad', strength=1.0),)
    """
    return tuple(
        ChangePoint(b.start, a.emotion, b.emotion, _distance(a, b))
        for a, b in pairwise(segments)
        if a.emotion != b.emotion
    )


def time_shares(segments: Sequence[Segment]) -> dict[str, float]:
    """Share of the time of all segments per emotion, in the order of the labels.

    >>> scores = dict.fromkeys(LABELS, 1 / 9)
    >>> time_shares([Segment(0.0, 1.0, "sad", 0.5, scores), Segment(1.0, 4.0, "happy", 0.5, scores)])
    {'happy': 0.75, 'sad': 0.25}
    """
    total = sum(s.end - s.start for s in segments)
    spent = {label: sum(s.end - s.start for s in segments if s.emotion == label) for label in LABELS}
    return {label: seconds / total for label, seconds in spent.items() if seconds > 0}


def _distance(a: Segment, b: Segment) -> float:
    return min(1.0, sum(abs(a.scores[label] - b.scores[label]) for label in LABELS) / 2)


def exact_times(track: EmotionTrack) -> NDArray[np.float64]:
    """Times of the steps, float64 (n,) in seconds, without what float32 has lost of them.

    >>> track = EmotionTrack(np.float32([1000.02, 1000.04]), np.zeros((2, 9), np.float32), 0.02, "by hand")
    >>> float(track.times[0]), exact_times(track).tolist()
    (1000.02001953125, [1000.02, 1000.04])
    """
    grid = abs(track.hop * 100 - round(track.hop * 100)) < 1e-6
    return np.asarray(np.round(track.times.astype(np.float64), 2 if grid else 6), np.float64)


def _held(rows: Rows, parts: NDArray[np.int64], margin: float) -> NDArray[np.int64]:
    """Emotion of each step with hysteresis, -1 without speech; a short pause does not end it."""
    labels = likeliest(rows)
    heard = np.flatnonzero(labels >= 0)
    tops = rows[heard, labels[heard]]
    held, before, current = labels.copy(), -1, -1
    for i, label, top in zip(heard.tolist(), labels[heard].tolist(), tops.tolist(), strict=True):
        part = parts[i]
        if part != before or (label != current and top - rows[i, current] >= margin):
            current, before = label, part
        held[i] = current
    return held


def _parts(track: EmotionTrack, max_pause: float) -> NDArray[np.int64]:
    """A number for each step that grows by one over each long pause; -1 without speech."""
    heard = np.flatnonzero(~np.isnan(track.probabilities).any(axis=1))
    parts = np.full(len(track), -1)
    times = track.times.astype(np.float64)[heard]
    pauses = np.diff(times) - track.hop > max_pause + 1e-6
    parts[heard] = np.concatenate([np.zeros(min(1, len(heard)), np.int64), np.cumsum(pauses)])
    return parts


def _runs(labels: NDArray[np.int64], parts: NDArray[np.int64]) -> list[_Run]:
    heard = np.flatnonzero(parts >= 0)
    keys = zip(labels[heard].tolist(), parts[heard].tolist(), heard.tolist(), strict=True)
    runs = []
    for (label, part), steps in groupby(keys, key=lambda key: key[:2]):
        places = [step for _, _, step in steps]
        runs.append(_Run(places[0], places[-1] + 1, label, part))
    return runs


def _merged(
    runs: list[_Run], starts: NDArray[np.float64], hop: float, rows: Rows, min_duration: float
) -> list[_Run]:
    """Without runs that are too short, if they have a neighbour; the shortest first."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(np.nan_to_num(rows), axis=0)])

    def seconds(run: _Run) -> float:
        return float(starts[run.last - 1] + hop - starts[run.first])

    before, after = list(range(-1, len(runs) - 1)), list(range(1, len(runs) + 1))

    def sides(at: int) -> list[int]:
        near = [i for i in (before[at], after[at]) if 0 <= i < len(runs)]
        return [i for i in near if runs[i].part == runs[at].part]

    def absorb(at: int, gone: int) -> None:
        runs[at].first = min(runs[at].first, runs[gone].first)
        runs[at].last = max(runs[at].last, runs[gone].last)
        runs[gone].merged = True
        left, right = before[gone], after[gone]
        if left >= 0:
            after[left] = right
        if right < len(runs):
            before[right] = left

    queue = [(seconds(run), i) for i, run in enumerate(runs)]
    heapify(queue)
    while queue and queue[0][0] < min_duration - 1e-6:
        length, at = heappop(queue)
        near = sides(at)
        if runs[at].merged or length != seconds(runs[at]) or not near:
            continue
        mass = sums[runs[at].last] - sums[runs[at].first]
        winner = max(near, key=lambda i: (mass[runs[i].label], seconds(runs[i])))
        absorb(winner, at)
        for i in sides(winner):
            if runs[i].label == runs[winner].label:
                absorb(winner, i)
        heappush(queue, (seconds(runs[winner]), winner))
    return [run for run in runs if not run.merged]


def _segment(run: _Run, starts: NDArray[np.float64], hop: float, rows: Rows) -> Segment:
    steps = rows[run.first : run.last]
    steps = steps[~np.isnan(steps).any(axis=1)]
    means = steps.mean(axis=0)
    logs = np.log(np.maximum(steps, _FLOOR)).mean(axis=0)
    likely = np.exp(logs - logs.max())
    end = round(float(starts[run.last - 1]) + hop, 6)
    return Segment(
        start=float(starts[run.first]),
        end=end,
        emotion=LABELS[run.label],
        confidence=float(likely[run.label] / likely.sum()),
        scores=dict(zip(LABELS, (means / means.sum()).tolist(), strict=True)),
    )
