"""Lists of frames in JSON: the classic ``{"emotion", "score", "timestamp"}``, with ``scores`` or without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import InputError
from emotrace.labels import LABELS, label_index
from emotrace.postprocess.methods import smooth_rows, smoother_of
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.smoothing import WIDTH, Rows, Smoothed, likeliest

CLASSIC_HOP = 0.04
CLASSIC_METHODS = ("vote", "ewma")
"""They go by the order of the frames alone; the others also by the time between them."""

LONGEST_PAUSE = 25
"""A gap in the timestamps counts as no more steps without speech than these."""

_TINY = np.nextafter(0.0, 1.0)  # a score of 0 still names its emotion


@dataclass(frozen=True, slots=True, eq=False)
class FrameList:
    """Frames as they were written down.

    Attributes:
        times: float64 (n,), seconds, never going back.
        labels: int64 (n,), the emotion of each frame; -1 without speech.
        scores: float64 (n,), of that emotion; NaN without speech.
        probabilities: float64 (n, 9), all nine scores; NaN where a frame has none.
    """

    times: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    probabilities: Rows

    def __len__(self) -> int:
        return len(self.times)

    @property
    def hop(self) -> float:
        """Seconds from one frame to the next, 1 ms or more: the median; of two in the middle the smaller."""
        steps = np.diff(self.times)
        steps = np.sort(steps[steps > 0])
        return max(0.001, float(steps[(len(steps) - 1) // 2])) if len(steps) else CLASSIC_HOP

    def rows(self, method: str) -> Rows:
        """What a smoother is given, (n, 9).

        A vote counts emotions, so a frame gives its score to its own emotion and 0 to the others. The
        others take all nine scores; for a frame without them the moving average does as the vote (its classic
        definition), and the rest shares what is missing to 1 among the other eight emotions.
        """
        rest = 0.0 if method in CLASSIC_METHODS else np.maximum(0, 1 - self.scores[:, None]) / (WIDTH - 1)
        rows = np.zeros((len(self), WIDTH)) + rest
        spoken = np.flatnonzero(self.labels >= 0)
        rows[spoken, self.labels[spoken]] = np.maximum(self.scores[spoken], _TINY * (method == "vote"))
        if method != "vote":
            full = ~np.isnan(self.probabilities[:, 0])
            rows[full] = self.probabilities[full]
        rows[self.labels < 0] = np.nan
        return rows


def read_frames(document: Any) -> FrameList:
    """Frames from parsed JSON.

    Args:
        document: a list of frames, or an object with the field ``frames``. A frame has ``emotion`` (English
            or Chinese; None without speech), ``score``, ``timestamp`` and perhaps ``scores``.

    Raises:
        InputError: it is neither, or a frame cannot be used; the sentence names its index.
        LabelError: an emotion is unknown; the sentence names it and its index.

    >>> frames = read_frames([{"emotion": "开心/happy", "score": 0.58, "timestamp": 0.04}])
    >>> frames.labels.tolist(), frames.scores.tolist()
    ([3], [0.58])
    """
    frames = document.get("frames") if isinstance(document, dict) else document
    if frames is None:
        raise InputError(
            "the object has no field 'frames'; expected a list of frames, or the result of `emotrace analyze "
            "--granularity frame --json`"
        )
    if not isinstance(frames, list):
        raise InputError(f"{_short(frames)} came; expected a list of frames")
    times, scores = np.zeros(len(frames)), np.zeros(len(frames))
    labels = np.zeros(len(frames), np.int64)
    probabilities = np.full((len(frames), WIDTH), np.nan)
    for i, frame in enumerate(frames):
        times[i], labels[i], scores[i] = _indexed(i, frame, probabilities[i])
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        at = int(back[0]) + 1
        raise InputError(
            f"frame {at}: its timestamp {times[at]:g} is before the last one, {times[at - 1]:g}; expected "
            "frames in the order of time"
        )
    return FrameList(times, labels, scores, probabilities)


def _indexed(index: int, frame: Any, out: Rows) -> tuple[float, int, float]:
    """Time, label and score of a frame; its nine scores, if there, go to ``out``."""
    try:
        values = _frame(frame)
        if (given := frame.get("scores", frame.get("all_scores"))) is not None:
            out[:] = _scores(given)
    except InputError as error:  # also a LabelError
        raise type(error)(f"frame {index}: {error}") from error
    return values


def _frame(frame: Any) -> tuple[float, int, float]:
    if not isinstance(frame, dict):
        raise InputError(f"{_short(frame)} came; expected an object with emotion, score and timestamp")
    time = _number(frame, "timestamp")
    if frame.get("emotion", "") is None:
        return time, -1, math.nan
    return time, _label(frame.get("emotion")), _score(frame, "score")


def _label(text: Any) -> int:
    if not isinstance(text, str):
        raise InputError(f"its emotion is {_short(text)}; expected the name of an emotion")
    return label_index(text)


def _scores(given: Any) -> list[float]:
    if not isinstance(given, dict):
        raise InputError(f"its scores are {_short(given)}; expected an object of emotions and numbers")
    out: dict[int, float] = {}
    for name in given:
        label = label_index(name)
        if label in out:
            raise InputError(f"its scores name {LABELS[label]} twice; expected each emotion once")
        out[label] = _score(given, name)
    return [out.get(label, 0.0) for label in range(WIDTH)]


def _score(holder: Mapping[str, Any], name: str) -> float:
    value = _number(holder, name)
    if not 0 <= value <= 1 + 1e-6:
        raise InputError(f"its {name} is {value:g}; expected 0 to 1")
    return value


def _number(holder: Mapping[str, Any], name: str) -> float:
    value = holder.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise InputError(f"its {name} is {_short(value)}; expected a number")
    return float(value)


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def smooth_frames(frames: FrameList, options: SmoothingOptions) -> Smoothed:
    """Smooth a list of frames; votes and moving averages by their classic definitions.

    Args:
        frames: the list.
        options: how.

    Returns:
        Index of a frame and its smoothed row, for each frame that has one and speech.

    >>> frames = read_frames([{"emotion": e, "score": 1, "timestamp": 0} for e in ("sad", "happy", "sad")])
    >>> smooth_frames(frames, SmoothingOptions.of(method="vote", window=3)).indices.tolist()
    [1]
    """
    rows = frames.rows(options.method)
    places = np.arange(len(frames))
    if options.method not in CLASSIC_METHODS:
        missing = np.round(np.diff(frames.times, prepend=frames.times[:1]) / frames.hop) - 1
        places = places + np.cumsum(np.clip(missing, 0, LONGEST_PAUSE)).astype(np.int64)
        table = np.full((int(places[-1]) + 1 if len(places) else 0, WIDTH), np.nan)
        table[places] = rows
        rows = table
    smoothed = smooth_rows(smoother_of(options, frames.hop, edges=False), rows)
    frame_of = np.full(len(rows), -1)
    frame_of[places] = np.arange(len(frames))
    indices = frame_of[smoothed.indices]
    keep = (indices >= 0) & ~np.isnan(smoothed.rows[:, 0])
    return Smoothed(indices[keep], smoothed.rows[keep])


def smoothed_records(frames: FrameList, smoothed: Smoothed, method: str) -> Iterator[dict[str, Any]]:
    """Smoothed frames as they are written down, scores rounded to three digits.

    Args:
        frames: that were smoothed.
        smoothed: by :func:`smooth_frames`.
        method: votes give no ``all_scores``, since they count one emotion of each frame.

    Yields:
        ``emotion``, ``score``, ``timestamp`` and ``all_scores``.

    >>> frames = read_frames([{"emotion": "sad", "score": 0.5, "timestamp": 0.04}])
    >>> smoothed = smooth_frames(frames, SmoothingOptions.of(method="vote"))
    >>> next(smoothed_records(frames, smoothed, "vote"))
    {'emotion': 'sad', 'score': 0.5, 'timestamp': 0.04}
    """
    labels = likeliest(smoothed.rows)
    for index, label, row in zip(smoothed.indices.tolist(), labels.tolist(), smoothed.rows, strict=True):
        values = [round(value, 3) for value in row.tolist()]
        record = {"emotion": LABELS[label], "score": values[label], "timestamp": float(frames.times[index])}
        if method != "vote":
            record["all_scores"] = dict(zip(LABELS, values, strict=True))
        yield record
