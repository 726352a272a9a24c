"""Options once, one composition: what comes out of it for any track, and for any input."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotrace.errors import OptionError
from emotrace.labels import LABELS
from emotrace.pipeline import PipelineOptions, judged
from emotrace.postprocess.methods import smooth
from emotrace.postprocess.options import Method, SmoothingOptions, prior_of
from emotrace.postprocess.segments import segments_of
from emotrace.results import EmotionTrack
from tests.outputs.made import made, segment, track

METHODS = get_args(Method)


def smoothing(method: str, **values: Any) -> PipelineOptions:
    return PipelineOptions.of(smoothing={"method": method, **values})


def test_without_smoothing_the_stretches_stay() -> None:
    spoken = (segment(0, 1), segment(1.5, 2, "sad"))
    result = judged(made(segments=spoken, shares={"happy": 0.7, "sad": 0.3}, track=track(["angry"] * 50)))
    assert (result.segments, result.shares) == (spoken, {"happy": 0.7, "sad": 0.3})
    assert [(c.time, c.before, c.after) for c in result.change_points] == [(1.5, "happy", "sad")]
    assert (result.smoothed, result.smoothing) == (None, None)


def test_with_smoothing_they_are_those_of_the_track() -> None:
    flicker: list[str | None] = [*["happy"] * 20, "sad", *["happy"] * 20, *[None] * 25, *["sad"] * 40]
    given = made(track=track(flicker), segments=(segment(0, 3.4, "angry"),), shares={"angry": 1.0})
    result = judged(given, smoothing("median"))
    assert [(s.start, s.end, s.emotion) for s in result.segments] == [
        (0.0, 1.64, "happy"),
        (2.64, 4.24, "sad"),
    ]
    assert result.shares == pytest.approx({"happy": 1.64 / 3.24, "sad": 1.6 / 3.24})
    assert result.track is given.track
    assert (result.emotion, result.scores, result.confidence) == (
        given.emotion,
        given.scores,
        given.confidence,
    )
    # scores are those of the model, not of the smoother
    assert result.segments[0].scores["sad"] == pytest.approx((40 * 0.01 + 0.92) / 41)


def test_switches_are_counted_in_the_smoothed_track() -> None:
    flicker = (["happy"] * 4 + ["sad"]) * 40
    raw, steady_one = (
        judged(made(track=track(flicker))),
        judged(made(track=track(flicker)), smoothing("vote")),
    )
    assert raw.verdict is not None
    assert steady_one.verdict is not None
    assert "unstable" in raw.verdict.codes
    assert "unstable" not in steady_one.verdict.codes


def test_the_prior_of_the_model_is_used_unless_one_is_given() -> None:
    rng = np.random.default_rng(3)
    rows = rng.dirichlet(np.ones(9), 200).astype(np.float32)
    times = (np.arange(200) * 0.04).astype(np.float32)
    result = made(track=EmotionTrack(times, rows, 0.04, "made up"))  # by the compact model
    assert result.track is not None
    prior = prior_of("compact")
    even = judged(result, smoothing("hmm", prior=(1 / 9,) * 9)).smoothed
    used = judged(result, smoothing("hmm")).smoothed
    assert even is not None
    assert used is not None
    expected = smooth(result.track, SmoothingOptions.of(method="hmm", prior=prior))
    assert np.array_equal(used.probabilities, expected.probabilities)
    assert not np.array_equal(used.probabilities, even.probabilities)


def test_votes_that_skip_steps_are_cut_at_the_steps_they_kept() -> None:
    result = judged(made(track=track(["happy"] * 30 + ["sad"] * 30)), smoothing("vote", step=3))
    assert result.smoothed is not None
    assert result.smoothed.hop == pytest.approx(0.12)
    assert [s.emotion for s in result.segments] == ["happy", "sad"]
    assert result.segments[0].scores["happy"] == pytest.approx(0.92, abs=0.1)


def test_without_a_track_there_is_nothing_to_smooth() -> None:
    with pytest.raises(OptionError, match="recognise with frames=True"):
        judged(made(), smoothing("hmm"))


@pytest.mark.parametrize("method", METHODS)
def test_a_silent_track_has_no_segments(method: str) -> None:
    result = judged(made(track=track([None] * 5)), smoothing(method))
    assert (result.segments, result.shares, result.change_points) == ((), {}, ())


@st.composite
def tracks(draw: st.DrawFn) -> EmotionTrack:
    count = draw(st.integers(1, 60))
    weights = draw(
        arrays.arrays(np.float32, (count, 9), elements=st.floats(0, 1, width=32), fill=st.nothing())
    )
    rows = weights + np.float32(1e-3)
    rows /= rows.sum(axis=1, keepdims=True)
    rows[draw(arrays.arrays(np.bool_, count))] = np.nan
    hop = draw(st.sampled_from([0.02, 0.04, 0.1, 1.0]))
    return EmotionTrack((np.arange(count) * hop).astype(np.float32), rows, hop, "random")


@settings(deadline=None, max_examples=60)
@given(tracks(), st.sampled_from(METHODS), st.sampled_from([0.0, 0.1, 0.9]), st.sampled_from([0.0, 0.5]))
def test_any_track_gives_ordered_segments(
    given_track: EmotionTrack, method: str, margin: float, shortest: float
) -> None:
    options = PipelineOptions.of(
        smoothing={"method": method}, segments={"margin": margin, "min_duration": shortest}
    )
    result = judged(made(track=given_track), options)
    spoken = not np.isnan(given_track.probabilities[:, 0]).all()
    assert bool(result.segments) == spoken
    for one in result.segments:
        assert 0 <= one.start < one.end <= len(given_track) * given_track.hop + 1e-5
        assert one.emotion in LABELS
        assert 0 <= one.confidence <= 1
        assert sum(one.scores.values()) == pytest.approx(1)
    for one, after in zip(result.segments, result.segments[1:], strict=False):
        assert one.end <= after.start + 1e-6
    if spoken:
        assert sum(result.shares.values()) == pytest.approx(1)
    assert all(0 <= change.strength <= 1 for change in result.change_points)
    assert result.smoothed is not None
    silent = np.isnan(given_track.probabilities[:, 0])
    assert np.array_equal(np.isnan(result.smoothed.probabilities[:, 0]), silent)
    again = segments_of(result.smoothed, options.segments, scores=given_track)
    assert result.segments == again
    assert result.verdict is not None
    assert not any(math.isnan(reason.value) for reason in result.verdict.reasons)
