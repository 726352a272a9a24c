"""Thresholds found on labelled clips: how much can be kept at which precision.

Precision is the share of right emotions among the results that are kept, coverage the share of the results
that are kept. A clip that gave no result counts for neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emotrace.errors import InputError, OptionError
from emotrace.postprocess.intervals import Bools, Counter, Floats, Point, ScoredClips
from emotrace.postprocess.presets import CLASSIC
from emotrace.postprocess.rules import Rules

MIN_CLIPS = 50
"""Fewer clips give no threshold: with fifty, an interval is still a quarter wide."""

MIN_KEPT = 20
"""A threshold that keeps fewer is chance."""

FOLDS = 10
GAPS = tuple(round(0.05 * step, 2) for step in range(11))


@dataclass(frozen=True, slots=True)
class ThresholdFit:
    """What was found.

    Attributes:
        chosen: the point that was asked for.
        min_gap: the threshold of the gap that goes with it.
        curve: the trade-off, from all that may be kept to the surest.
        clips: how many gave a result.
        accuracy: share of right ones among all of them.
        speakers: how many; 0 if they are not known.
        interval_over: what the intervals draw: ``"speakers"`` or ``"clips"``.
        held_out: (precision, coverage) on clips, where speakers are known of other speakers, that had no
            part in the choice: what to expect on new ones; NaN if nothing was kept.
    """

    chosen: Point
    min_gap: float
    curve: tuple[Point, ...]
    clips: int
    accuracy: float
    speakers: int
    interval_over: str
    held_out: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: a precision at the largest coverage, or a coverage at the best precision.

    Attributes:
        precision: at least this; None if the coverage is given.
        coverage: at least this; None if the precision is given.
        gap: find a threshold for the gap, too; else that of the rules stays.
    """

    precision: float | None = None
    coverage: float | None = None
    gap: bool = False

    @classmethod
    def of(cls, precision: float | None = None, coverage: float | None = None, gap: bool = False) -> Goal:
        """A checked goal.

        Raises:
            OptionError: not exactly one of the two is given, or it is out of range.

        >>> Goal.of(precision=1.5)
        Traceback (most recent call last):
        emotrace.errors.OptionError: precision is 1.5; expected more than 0 and at most 1
        """
        if (precision is None) == (coverage is None):
            raise OptionError("expected either a precision or a coverage: --precision 0.9 or --coverage 0.8")
        for name, value in (("precision", precision), ("coverage", coverage)):
            if value is not None and not 0 < value <= 1:
                raise OptionError(f"{name} is {value:g}; expected more than 0 and at most 1")
        return cls(precision, coverage, gap)


def fit_thresholds(clips: ScoredClips, goal: Goal, rules: Rules = CLASSIC, seed: int = 0) -> ThresholdFit:
    """Find the thresholds that reach a goal.

    Args:
        clips: none of them of a test split.
        goal: what is wanted.
        rules: whose other thresholds over scores (gap, top score) stay in force.
        seed: of the draws.

    Raises:
        InputError: there are too few clips, or the goal cannot be reached with them.

    >>> rng = np.random.default_rng(0)
    >>> confidence = rng.random(2000)
    >>> clips = ScoredClips(rng.random(2000) < confidence, confidence, np.ones(2000), ("",) * 2000)
    >>> fit = fit_thresholds(clips, Goal.of(precision=0.9))
    >>> 0.75 < fit.chosen.min_confidence < 0.85, fit.chosen.precision >= 0.9
    (True, True)
    """
    if len(clips) < MIN_CLIPS:
        raise InputError(f"{len(clips)} clips gave a result; expected {MIN_CLIPS} or more labelled clips")
    found = _search(clips, goal, rules)
    if found is None:
        raise InputError(_unreached(clips, goal, rules))
    threshold, gap = found
    counter = Counter(clips, seed)
    eligible = _eligible(clips, rules, gap)
    return ThresholdFit(
        counter.point(eligible, threshold),
        gap,
        tuple(counter.point(eligible, limit) for limit in _limits(clips, eligible)),
        len(clips),
        float(clips.right.mean()),
        counter.speakers,
        "speakers" if counter.by_speaker else "clips",
        _held_out(clips, goal, rules, seed),
    )


# -- the search ---------------------------------------------------------------------------------------


def _search(clips: ScoredClips, goal: Goal, rules: Rules) -> tuple[float, float] | None:
    """The thresholds of confidence and gap; of equally good ones, those with the smallest gap."""
    best: tuple[tuple[float, float], float, float] | None = None
    for gap in GAPS if goal.gap else (rules.min_gap or 0.0,):
        found = _best(clips, _eligible(clips, rules, gap), goal)
        if found is not None and (best is None or found[0] > best[0]):
            best = (found[0], found[1], gap)
    return None if best is None else best[1:]


def _best(clips: ScoredClips, eligible: Bools, goal: Goal) -> tuple[tuple[float, float], float] | None:
    """How good the best threshold of the confidence is, and the threshold."""
    confidence, right, kept = _sorted(clips, eligible)
    ends = np.append(confidence[1:] < confidence[:-1], True)  # equals are kept together
    precision, coverage = right / kept, kept / len(clips)
    ok = ends & (kept >= MIN_KEPT)
    if goal.precision is not None:
        places = np.flatnonzero(ok & (precision >= goal.precision))
        order = np.lexsort((precision[places], coverage[places]))
    else:
        places = np.flatnonzero(ok & (coverage >= (goal.coverage or 0.0)))
        order = np.lexsort((coverage[places], precision[places]))
    if not len(places):
        return None
    best = int(places[order[-1]])
    rejected = float(confidence[best + 1]) if best + 1 < len(confidence) else -1.0
    first, second = float(coverage[best]), float(precision[best])
    quality = (first, second) if goal.precision is not None else (second, first)
    return quality, _round_number(float(confidence[best]), rejected)


def _sorted(clips: ScoredClips, eligible: Bools) -> tuple[Floats, Floats, Floats]:
    """Confidence from high to low, how many are right down to it, and how many there are."""
    order = np.flatnonzero(eligible)[np.argsort(-clips.confidence[eligible], kind="stable")]
    right = np.cumsum(clips.right[order], dtype=np.float64)
    return clips.confidence[order], right, np.arange(1.0, len(order) + 1)


def _eligible(clips: ScoredClips, rules: Rules, gap: float) -> Bools:
    """What the other two rules over scores let pass."""
    return np.asarray((clips.gap >= gap) & (clips.confidence >= (rules.min_top_score or 0.0)), np.bool_)


def _round_number(kept: float, rejected: float) -> float:
    """The number of fewest digits that keeps the one and rejects the other.

    >>> _round_number(0.61237, 0.6101), _round_number(0.5, 0.49999)
    (0.612, 0.5)
    """
    for digits in range(2, 17):
        number: float = round(math.floor(kept * 10**digits) / 10.0**digits, digits)
        if rejected < number <= kept:
            return number
    return kept


def _unreached(clips: ScoredClips, goal: Goal, rules: Rules) -> str:
    if goal.coverage is not None:
        most = _eligible(clips, rules, 0.0 if goal.gap else rules.min_gap or 0.0).mean()
        return (
            f"a coverage of {goal.coverage:g} cannot be reached: the other rules over scores keep "
            f"{most:.3f}; ask for less"
        )
    best = _search(clips, Goal(coverage=MIN_KEPT / len(clips), gap=goal.gap), rules)
    if best is None:
        return f"the other rules over scores keep fewer than {MIN_KEPT} clips; expected more clips"
    kept = _eligible(clips, rules, best[1]) & (clips.confidence >= best[0])
    return (
        f"a precision of {goal.precision:g} is not reached: the best is {clips.right[kept].mean():.3f}, at a "
        f"coverage of {kept.mean():.3f}; ask for less, or give more clips"
    )


def _limits(clips: ScoredClips, eligible: Bools) -> list[float]:
    """Thresholds at every twentieth of the coverage, from the lowest."""
    confidence, _, kept = _sorted(clips, eligible)
    wanted = [share * len(clips) / 20 for share in range(20, 0, -1)]
    ranks = [int(rank) for rank in wanted if MIN_KEPT <= rank < len(kept)]
    limits = [_round_number(float(confidence[rank - 1]), float(confidence[rank])) for rank in ranks]
    return list(dict.fromkeys([0.0, *limits]))


def _held_out(clips: ScoredClips, goal: Goal, rules: Rules, seed: int) -> tuple[float, float]:
    """Precision and coverage on folds that had no part in the choice of their thresholds."""
    rng = np.random.default_rng(seed)
    groups = np.array(clips.speakers) if len(set(clips.speakers)) > 1 else np.arange(len(clips)).astype(str)
    names, group = np.unique(groups, return_inverse=True)
    fold = (rng.permutation(len(names)) % FOLDS)[group]
    kept = right = 0
    for number in np.unique(fold):
        found = _search(clips.of(np.flatnonzero(fold != number)), goal, rules)
        if found is None:
            continue
        rest = clips.of(np.flatnonzero(fold == number))
        chosen = _eligible(rest, rules, found[1]) & (rest.confidence >= found[0])
        kept, right = kept + int(chosen.sum()), right + int((chosen & rest.right).sum())
    return (right / kept if kept else math.nan), kept / len(clips)
