"""Labelled clips scored: by a recogniser, or by scores that are there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from emotrace.labels import LABELS
from emotrace.postprocess.intervals import ScoredClips
from emotrace.postprocess.labelled import LabelledClip
from emotrace.recognition import Recognizer
from emotrace.results import Failure, Recognition

Progress = Callable[[str, float, float], None]


def score_clips(
    clips: Sequence[LabelledClip],
    *,
    scores: Mapping[str, Mapping[str, float] | Failure] | None = None,
    recognizer: Callable[[], Recognizer] = Recognizer,
    on_progress: Progress | None = None,
) -> tuple[ScoredClips, list[Failure]]:
    """What is recognised in labelled clips, against their labels.

    Scores in the list come first, then those given, and only for the rest is a recogniser made. A clip that
    fails is a Failure, not a wrong answer.

    Args:
        clips: see :func:`~emotrace.postprocess.labelled.read_clips`.
        scores: by real path; None recognises.
        recognizer: makes a recogniser, if one is needed.
        on_progress: see :meth:`emotrace.Recognizer.recognize_many`.

    >>> clips = [LabelledClip("a.wav", "happy", scores={"happy": 0.7, "sad": 0.3})]
    >>> scored, failures = score_clips(clips)
    >>> scored.right.tolist(), scored.gap.round(3).tolist(), failures
    ([True], [0.4], [])
    """
    known = [_known(clip, scores) for clip in clips]
    rest = [clip.file for clip, found in zip(clips, known, strict=True) if found is None]
    fresh = recognizer().recognize_many(rest, on_progress=on_progress) if rest else iter(())
    failures: list[Failure] = []
    rows: list[tuple[bool, float, float, str]] = []
    for clip, found in zip(clips, _filled(known, fresh), strict=True):
        if isinstance(found, Failure):
            failures.append(found)
        else:
            (label, first), (_, second) = _top_two(found)
            rows.append((label == clip.label, first, first - second, clip.speaker))
    for _ in fresh:  # let it tell the last of its progress
        pass
    right, confidence, gap, speakers = zip(*rows, strict=True) if rows else ((), (), (), ())
    scored = ScoredClips(
        np.array(right, np.bool_), np.array(confidence, float), np.array(gap, float), tuple(speakers)
    )
    return scored, failures


def _known(
    clip: LabelledClip, scores: Mapping[str, Mapping[str, float] | Failure] | None
) -> Mapping[str, float] | Failure | None:
    if clip.failure is not None or clip.scores is not None:
        return clip.failure or clip.scores
    if scores is None:
        return None
    missing = Failure(clip.file, "input", f"there are no scores of {clip.file!r}")
    return scores.get(os.path.realpath(clip.file), missing)


def _filled(
    known: Sequence[Mapping[str, float] | Failure | None], fresh: Iterator[Recognition | Failure]
) -> Iterator[Mapping[str, float] | Failure]:
    for found in known:
        if found is not None:
            yield found
            continue
        result = next(fresh)
        yield result if isinstance(result, Failure) else result.scores


def _top_two(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """Likeliest labels; ties in label order."""
    return sorted(scores.items(), key=lambda item: (-item[1], LABELS.index(item[0])))[:2]
