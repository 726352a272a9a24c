"""Thresholds found on labelled clips."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import InputError, OptionError
from emotrace.postprocess.intervals import ScoredClips, clopper_pearson
from emotrace.postprocess.presets import CLASSIC
from emotrace.postprocess.rules import Rules
from emotrace.postprocess.thresholds import (
    MIN_KEPT,
    Goal,
    fit_thresholds,
)
from emotrace.postprocess.verdict import judge_scores

OFF = Rules(min_confidence=0.0, min_gap=0.0, min_top_score=0.0)


def clips(count: int, seed: int = 0, speakers: int = 0, gap: float | None = None) -> ScoredClips:
    """Calibrated results: a confidence of p is right with probability p."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.2, 1.0, count).round(3)
    names = tuple(f"s{i % speakers}" if speakers else "" for i in range(count))
    gaps = np.full(count, gap) if gap is not None else confidence * rng.uniform(0, 1, count)
    return ScoredClips(rng.random(count) < confidence, confidence, gaps, names)


def by_hand(data: ScoredClips, threshold: float, gap: float, top: float = 0.0) -> tuple[float, float]:
    kept = (data.confidence >= threshold) & (data.gap >= gap) & (data.confidence >= top)
    return float(data.right[kept].mean()), float(kept.mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(60, 300), st.integers(0, 10_000), st.floats(0.3, 0.95), st.sampled_from([0, 3, 8]))
def test_the_precision_is_reached_and_no_other_threshold_keeps_more(
    count: int, seed: int, wanted: float, speakers: int
) -> None:
    data = clips(count, seed, speakers)
    try:
        fit = fit_thresholds(data, Goal.of(precision=wanted), OFF)
    except InputError:
        fit = None
    candidates = [by_hand(data, float(limit), 0.0) for limit in data.confidence]
    reached = [cover for right, cover in candidates if right >= wanted and cover * count >= MIN_KEPT - 1e-9]
    if fit is None:
        assert not reached
        return
    assert (fit.chosen.precision, fit.chosen.coverage) == by_hand(data, fit.chosen.min_confidence, 0.0)
    assert fit.chosen.precision >= wanted
    assert fit.chosen.coverage == max(reached)


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 300), st.integers(0, 10_000), st.floats(0.1, 1.0))
def test_the_coverage_is_reached_at_the_best_precision(count: int, seed: int, wanted: float) -> None:
    data = clips(count, seed)
    fit = fit_thresholds(data, Goal.of(coverage=wanted), OFF)
    assert fit.chosen.coverage >= wanted
    points = [by_hand(data, float(limit), 0.0) for limit in data.confidence]
    best = max(right for right, cover in points if cover >= wanted and cover * count >= MIN_KEPT - 1e-9)
    assert fit.chosen.precision == best


def test_the_threshold_means_the_same_to_the_verdict() -> None:
    data = clips(400)
    fit = fit_thresholds(data, Goal.of(precision=0.85), CLASSIC)
    rules = CLASSIC.with_changes(min_confidence=fit.chosen.min_confidence, min_gap=fit.min_gap)
    kept = [
        judge_scores({"happy": top, "sad": top - gap}, rules=rules).decision == "keep"
        for top, gap in zip(data.confidence, data.gap, strict=True)
    ]
    assert abs(sum(kept) - fit.chosen.kept) <= 1  # a difference of two floats may fall the other way


def test_the_other_rules_stay_in_force() -> None:
    data = clips(400, gap=0.02)
    with pytest.raises(InputError, match=r"0\.5 cannot be reached: .* keep 0\.000"):
        fit_thresholds(data, Goal.of(coverage=0.5), CLASSIC)
    fit = fit_thresholds(data, Goal.of(coverage=0.5, gap=True), CLASSIC)
    assert fit.min_gap == 0.0


def test_a_gap_that_tells_right_from_wrong_is_found() -> None:
    rng = np.random.default_rng(3)
    right = rng.random(500) < 0.5
    gap = np.where(right, 0.4, 0.2)
    data = ScoredClips(right, np.full(500, 0.6), gap, ("",) * 500)
    with pytest.raises(InputError, match=r"0\.9 is not reached: the best is 0\.49"):
        fit_thresholds(data, Goal.of(precision=0.9))
    fit = fit_thresholds(data, Goal.of(precision=0.9, gap=True))
    assert (fit.min_gap, fit.chosen.precision) == (0.25, 1.0)


def test_the_curve_falls_from_all_to_the_surest() -> None:
    fit = fit_thresholds(clips(1000), Goal.of(precision=0.8), OFF)
    coverage = [point.coverage for point in fit.curve]
    assert coverage[0] == 1.0
    assert coverage == sorted(coverage, reverse=True)
    assert len(coverage) >= 15
    assert all(low <= p.precision <= high for p in fit.curve for low, high in [p.interval])
    assert all(p.kept >= MIN_KEPT for p in fit.curve)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(InputError, match="49 clips gave a result; expected 50 or more"):
        fit_thresholds(clips(49), Goal.of(precision=0.5))


@pytest.mark.parametrize(
    "wrong", [{}, {"precision": 0.9, "coverage": 0.8}, {"precision": 0.0}, {"coverage": 1.1}]
)
def test_goals_that_are_none(wrong: Any) -> None:
    with pytest.raises(OptionError):
        Goal.of(**wrong)
    with pytest.raises(OptionError, match="precision is nan"):
        Goal.of(precision=math.nan)


def test_speakers_who_differ_widen_the_interval() -> None:
    """Half of the speakers are always right, half never: clips alone would be far too sure."""
    rng = np.random.default_rng(0)
    names = [f"s{i % 10}" for i in range(1000)]
    right = np.array([int(name[1]) < 6 for name in names])
    confidence = rng.uniform(0.5, 0.6, 1000)
    known = ScoredClips(right, confidence, np.ones(1000), tuple(names))
    unknown = ScoredClips(right, confidence, np.ones(1000), ("",) * 1000)
    fit, naive = (fit_thresholds(data, Goal.of(coverage=0.9), OFF) for data in (known, unknown))
    assert (fit.interval_over, fit.speakers) == ("speakers", 10)
    assert (naive.interval_over, naive.speakers) == ("clips", 0)
    width, thin = (f.chosen.interval[1] - f.chosen.interval[0] for f in (fit, naive))
    assert width > 5 * thin
    few = ScoredClips(
        right, confidence, np.ones(1000), tuple(name[:1] + str(int(name[1]) % 3) for name in names)
    )
    assert fit_thresholds(few, Goal.of(coverage=0.9), OFF).interval_over == "clips"


def test_twenty_of_twenty_are_not_certain() -> None:
    confidence = np.linspace(0.5, 1.0, 100)
    names = tuple(f"s{i % 10}" for i in range(100))
    fit = fit_thresholds(
        ScoredClips(confidence > 0.75, confidence, np.ones(100), names), Goal.of(precision=1), OFF
    )
    assert fit.chosen.precision == 1.0
    assert fit.chosen.interval == clopper_pearson(fit.chosen.kept, fit.chosen.kept)
    assert fit.chosen.interval[0] < 0.95


def test_held_out_figures_tell_what_the_choice_has_made_up() -> None:
    """With a confidence that says nothing the chosen precision is luck, the held-out one is not."""
    gains = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        data = ScoredClips(rng.random(200) < 0.5, rng.random(200), np.ones(200), ("",) * 200)
        fit = fit_thresholds(data, Goal.of(coverage=0.1), OFF)
        gains.append((fit.chosen.precision, fit.held_out[0]))
    chosen, held_out = np.mean(gains, axis=0)
    assert chosen > 0.54
    assert held_out == pytest.approx(0.5, abs=0.03)
    honest = fit_thresholds(clips(3000, speakers=30), Goal.of(precision=0.8), OFF)
    assert honest.held_out[0] == pytest.approx(0.8, abs=0.03)
    assert honest.held_out[1] == pytest.approx(honest.chosen.coverage, abs=0.06)


def test_the_same_clips_give_the_same_answer() -> None:
    data = clips(300, speakers=7)
    one, other = (fit_thresholds(data, Goal.of(precision=0.7), OFF) for _ in range(2))
    assert one == other
