from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.labels import LABELS
from emotrace.postprocess.options import SegmentOptions
from emotrace.postprocess.segments import change_points, segments_of, time_shares
from emotrace.results import EmotionTrack, Segment

HOP = 0.04
HAPPY, NEUTRAL, SAD = (LABELS.index(name) for name in ("happy", "neutral", "sad"))
PLAIN = SegmentOptions.of(margin=0, min_duration=0)


def track(labels: list[int], sure: float = 0.6, hop: float = HOP, start: float = 0.0) -> EmotionTrack:
    """A track by hand; -1 is no speech."""
    rows = np.full((len(labels), 9), (1 - sure) / 8, np.float32)
    for row, label in zip(rows, labels, strict=True):
        row[label if label >= 0 else slice(None)] = sure if label >= 0 else np.nan
    times = (start + np.arange(len(labels)) * hop).astype(np.float32)
    return EmotionTrack(times, rows, hop, "by hand")


def spans(found: tuple[Segment, ...]) -> list[tuple[float, float, str]]:
    return [(s.start, s.end, s.emotion) for s in found]


def test_nothing() -> None:
    assert segments_of(track([])) == ()
    assert segments_of(track([-1, -1])) == ()
    assert change_points(()) == ()
    assert time_shares(()) == {}


def test_one_step() -> None:
    assert spans(segments_of(track([SAD]))) == [(0.0, 0.04, "sad")]


def test_runs_become_segments() -> None:
    found = segments_of(track([HAPPY] * 25 + [SAD] * 50))
    assert spans(found) == [(0.0, 1.0, "happy"), (1.0, 3.0, "sad")]
    assert found[0].scores["happy"] == pytest.approx(0.6)
    assert sum(found[0].scores.values()) == pytest.approx(1)
    assert found[0].confidence == pytest.approx(0.6)


def test_a_short_run_is_merged_into_the_neighbour_that_it_resembles() -> None:
    steps = track([HAPPY] * 25 + [NEUTRAL] * 5 + [SAD] * 25)
    steps.probabilities[25:30, SAD] = 0.3
    assert spans(segments_of(steps)) == [(0.0, 1.0, "happy"), (1.0, 2.2, "sad")]
    steps.probabilities[25:30, HAPPY] = 0.35
    assert spans(segments_of(steps)) == [(0.0, 1.2, "happy"), (1.2, 2.2, "sad")]


def test_neighbours_that_become_alike_become_one() -> None:
    found = segments_of(track([HAPPY] * 25 + [NEUTRAL] * 5 + [HAPPY] * 25))
    assert spans(found) == [(0.0, 2.2, "happy")]
    assert found[0].scores["happy"] == pytest.approx((50 * 0.6 + 5 * 0.05) / 55)
    assert found[0].confidence < 0.6


def test_hysteresis_waits_for_the_margin() -> None:
    steps = track([HAPPY] * 50 + [SAD] * 50, sure=0.5)
    steps.probabilities[50:60, HAPPY] = 0.45  # sad leads by little at first
    assert spans(segments_of(steps, SegmentOptions.of(margin=0.1)))[1][0] == 2.4
    assert spans(segments_of(steps, SegmentOptions.of(margin=0)))[1][0] == 2.0


def test_a_short_pause_is_gone_over_and_a_long_one_is_not() -> None:
    short = track([HAPPY] * 25 + [-1] * 5 + [HAPPY] * 25)
    assert spans(segments_of(short)) == [(0.0, 2.2, "happy")]
    long = track([HAPPY] * 25 + [-1] * 25 + [HAPPY] * 25)
    assert spans(segments_of(long)) == [(0.0, 1.0, "happy"), (2.0, 3.0, "happy")]
    assert change_points(segments_of(long)) == ()
    alone = track([HAPPY] * 25 + [-1] * 25 + [SAD] * 3 + [-1] * 25 + [HAPPY] * 25)
    assert [s.emotion for s in segments_of(alone)] == ["happy", "sad", "happy"]


def test_hysteresis_ends_at_a_long_pause() -> None:
    steps = track([HAPPY] * 25 + [-1] * 25 + [SAD] * 25, sure=0.2)
    steps.probabilities[50:, HAPPY] = 0.19
    assert [s.emotion for s in segments_of(steps, SegmentOptions.of(margin=0.5))] == ["happy", "sad"]


def test_scores_are_told_from_the_track_before_smoothing() -> None:
    smoothed, before = track([HAPPY] * 50, sure=0.99), track([HAPPY] * 50, sure=0.5)
    [found] = segments_of(smoothed, scores=before)
    assert found.scores["happy"] == pytest.approx(0.5)
    assert found.confidence == pytest.approx(0.5)
    with pytest.raises(ValueError, match="40 other steps"):
        segments_of(smoothed, scores=track([HAPPY] * 40))


def test_times_far_into_a_recording_keep_to_the_grid() -> None:
    [found] = segments_of(track([SAD] * 50, start=30_000.0))
    assert (found.start, found.end) == (30000.0, 30002.0)


def test_change_points_and_shares() -> None:
    found = segments_of(track([HAPPY] * 25 + [SAD] * 75), PLAIN)
    [change] = change_points(found)
    assert (change.time, change.before, change.after) == (1.0, "happy", "sad")
    assert change.strength == pytest.approx(0.6 - 0.05)
    assert time_shares(found) == {"happy": pytest.approx(0.25), "sad": pytest.approx(0.75)}


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from([-1, -1, 3, 3, 3, 4, 6]), max_size=120),
    margin=st.sampled_from([0.0, 0.2, 0.9]),
    least=st.sampled_from([0.0, 0.1, 0.5]),
    pause=st.sampled_from([0.0, 0.1]),
)
def test_segments_are_in_order_apart_and_of_speech(
    labels: list[int], margin: float, least: float, pause: float
) -> None:
    steps = track(labels)
    options = SegmentOptions.of(margin=margin, min_duration=least, max_pause=pause)
    found = segments_of(steps, options)
    edges = [t for s in found for t in (s.start, s.end)]
    assert edges == sorted(edges)
    assert all(0 < s.confidence <= 1 and abs(sum(s.scores.values()) - 1) < 1e-6 for s in found)
    spoken = [t for t, label in zip(steps.times.round(2).tolist(), labels, strict=True) if label >= 0]
    inside = [sum(s.start - 1e-6 <= t < s.end - 1e-6 for s in found) for t in spoken]
    assert inside == [1] * len(spoken)
    for a, b in pairwise(found):
        if b.start - a.end < 1e-6:
            assert a.emotion != b.emotion
            assert min(a.end - a.start, b.end - b.start) >= least - 1e-6
    if found:
        assert sum(time_shares(found).values()) == pytest.approx(1)


def test_many_steps_that_flicker() -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.full(9, 0.3), 5_000).astype(np.float32)
    flicker = EmotionTrack(np.arange(50_000, dtype=np.float32) * HOP, np.resize(rows, (50_000, 9)), HOP, "x")
    found = segments_of(flicker, SegmentOptions.of(min_duration=5.0))
    assert 10 < len(found) < 500
