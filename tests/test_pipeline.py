"""Options once, one composition: what comes out of it for any track, and for any input."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import emotrace
from emotrace.errors import NoSpeechError, OptionError
from emotrace.labels import LABELS
from emotrace.models.encoder import FakeEncoder
from emotrace.pipeline import PipelineOptions, analyse, analyse_many, judged
from emotrace.postprocess.methods import smooth
from emotrace.postprocess.options import Method, SmoothingOptions, prior_of
from emotrace.postprocess.rules import Rules
from emotrace.postprocess.segments import change_points, segments_of, time_shares
from emotrace.recognition import RecognitionOptions, Recognizer
from emotrace.results import EmotionTrack, Failure, Recognition, Smoothing
from emotrace.segmentation import signal_quality
from tests.outputs.made import made, segment, track
from tests.voices import steady, voice

RECOGNIZER = Recognizer(encoder=FakeEncoder())
CLIP = (steady(2, 3 / 8), 16000)
METHODS = get_args(Method)


def smoothing(method: str, **values: Any) -> PipelineOptions:
    return PipelineOptions.of(smoothing={"method": method, **values})


# -- options --------------------------------------------------------------------------------------------


def test_what_the_steps_need_is_read() -> None:
    plain = PipelineOptions()
    assert (plain.reading.frames, plain.reading.quality, plain.rules) == (False, True, Rules())
    bare = PipelineOptions.of(checks=False, rules=None, smoothing={"method": "hmm"})
    assert (bare.reading.frames, bare.reading.quality, bare.rules) == (True, False, None)
    asked = RecognitionOptions.of(frames=True, quality=True, hop=0.1)
    kept = PipelineOptions.of(recognition=asked, checks=False).reading
    assert kept == asked


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nonsense": 1}, "there is no option 'nonsense'"),
        ({"recognition": {"nonsense": 1}}, "there is no option 'recognition.nonsense'"),
        ({"recognition": {"hop": 0.03}}, "option recognition.hop is 0.03; expected a multiple of 0.02 s"),
        ({"smoothing": {"method": "magic"}}, "option smoothing.method is 'magic'; expected 'vote'"),
        ({"smoothing": {"method": "hmm", "alpha": 0.5}}, "option alpha has no effect on 'hmm'"),
        ({"segments": {"margin": 2}}, "option segments.margin is 2; expected less than 1"),
        ({"rules": {"min_gap": -1}}, "option rules.min_gap is -1; expected greater than or equal to 0"),
        ({"checks": "perhaps"}, "option checks is 'perhaps'; expected a valid boolean"),
    ],
)
def test_wrong_options_are_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        PipelineOptions.of(**values)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_user_finds_them_in_the_package() -> None:
    assert emotrace.PipelineOptions is PipelineOptions
    assert (emotrace.analyse, emotrace.analyse_many) == (analyse, analyse_many)
    assert emotrace.signal_quality is signal_quality


# -- analyse --------------------------------------------------------------------------------------------


def test_everything_in_one_result() -> None:
    both = np.concatenate([steady(3, 3 / 8), steady(3, 6 / 8)])
    result = analyse(RECOGNIZER, (both, 16000), smoothing("hmm-online", lag=0.4))
    assert result.track is not None
    assert result.smoothed is not None
    assert result.smoothing == Smoothing("hmm-online", 0.4)
    assert [s.emotion for s in result.segments][:: len(result.segments) - 1] == ["happy", "sad"]
    assert result.change_points == change_points(result.segments)
    assert result.shares == time_shares(result.segments)
    assert result.verdict is not None
    assert result.quality == signal_quality((both, 16000))
    assert result.measures == result.quality.measures


def test_the_checks_do_not_change_what_is_recognised() -> None:
    speech = (voice(16000 * 35), 16000)
    plain = RECOGNIZER.recognize(speech, frames=True)
    checked = RECOGNIZER.recognize(speech, frames=True, quality=True)
    assert (plain.scores, plain.measures, plain.segments) == (
        checked.scores,
        checked.measures,
        checked.segments,
    )
    assert plain.quality is None
    assert checked.quality == signal_quality(speech)


def test_without_checks_and_rules_nothing_is_judged() -> None:
    result = analyse(RECOGNIZER, CLIP, PipelineOptions.of(checks=False, rules=None))
    assert (result.quality, result.verdict, result.smoothed, result.change_points) == (None, None, None, ())


def test_without_checks_the_measures_are_judged() -> None:
    result = analyse(RECOGNIZER, (steady(0.5, 3 / 8), 16000), PipelineOptions.of(checks=False))
    assert result.quality is None
    assert result.verdict is not None
    assert "too-short" in result.verdict.codes


def test_what_fails_fails_as_ever() -> None:
    with pytest.raises(NoSpeechError):
        analyse(RECOGNIZER, (np.zeros(16000, np.float32), 16000))
    with pytest.raises(NoSpeechError):
        analyse(RECOGNIZER, (np.zeros(16000 * 40, np.float32), 16000))


def test_an_error_of_the_checks_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def push(self, _: object) -> None:
            raise MemoryError("no room")

    monkeypatch.setattr("emotrace.recognition.measuring.QualityMeter", Broken)
    with pytest.raises(MemoryError, match="no room"):
        analyse(RECOGNIZER, (steady(40, 3 / 8), 16000), PipelineOptions.of(recognition={"whole_seconds": 60}))


def test_many_in_order_each_judged() -> None:
    found = list(analyse_many(RECOGNIZER, [CLIP, "missing.wav", CLIP], smoothing("vote"), workers=2))
    assert [type(result) for result in found] == [Recognition, Failure, Recognition]
    for result in found[::2]:
        assert isinstance(result, Recognition)
        assert result.verdict is not None
        assert result.smoothed is not None


@pytest.mark.parametrize("handled", [True, False])
def test_a_bug_while_judging_stops_nothing_if_it_is_handled(
    monkeypatch: pytest.MonkeyPatch, handled: bool
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("emotrace.pipeline.judge", broken)
    found = analyse_many(
        RECOGNIZER, [CLIP, CLIP], on_bug=(lambda s, e: Failure(str(s), "bug", str(e))) if handled else None
    )
    if handled:
        assert [(f.code, f.reason) for f in found if isinstance(f, Failure)] == [("bug", "odd")] * 2
    else:
        with pytest.raises(RuntimeError, match="odd"):
            list(found)


def test_any_source_is_analysed(tmp_path: Path) -> None:
    from tests.cli.command import square, write

    path = write(tmp_path / "a.wav", square())
    sources: Iterator[Any] = iter([path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())])
    assert {analyse(RECOGNIZER, source).emotion for source in sources} == {"happy"}


# -- judged ---------------------------------------------------------------------------------------------


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
