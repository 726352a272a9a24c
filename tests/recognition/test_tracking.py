"""Emotion over time: where windows lie, what a step says, how steps are counted and joined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.models.encoder import FakeEncoder
from emotrace.models.package import TrackMethod
from emotrace.recognition.tracking import coarsen, softmax, step_logits, steps_between, window_starts
from tests.voices import steady, voice

METHOD = TrackMethod(window=1.5, hop=0.24)
hops = st.integers(1, 100).map(lambda n: n / 50)


@given(samples=st.integers(1, 200_000), window=st.integers(1, 150), hop=st.integers(1, 300))
def test_windows_cover_the_whole_clip(samples: int, window: int, hop: int) -> None:
    method = TrackMethod(window=window / 50, hop=hop / 100)
    starts = window_starts(samples, method)
    length, step = window * 320, hop * 160
    assert starts[0] == 0
    assert all(0 < b - a <= step for a, b in pairwise(starts))
    assert all(b - a == step for a, b in pairwise(starts[:-1]))
    assert starts[-1] == max(0, samples - length)


@given(samples=st.integers(1600, 80_000), count=st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_every_step_gets_a_value(samples: int, count: int) -> None:
    times = np.linspace(0, samples / 16000, count, dtype=np.float32)
    logits = step_logits(FakeEncoder(), voice(samples), times, None)
    assert logits.shape == (count, 9)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_at_the_centre_of_a_window_a_step_says_what_the_window_says() -> None:
    samples, fake = voice(80_000), FakeEncoder()
    starts = window_starts(len(samples), METHOD)
    centres = np.array([(start + 12_000) / 16000 for start in starts], np.float32)
    windows = fake.encode([samples[start : start + 24_000] for start in starts])
    got = step_logits(fake, samples, centres, None)
    assert got == pytest.approx(np.stack([w.logits for w in windows]), abs=1e-3)


def test_between_two_centres_it_is_linear_and_beyond_the_last_it_stays() -> None:
    samples, fake = voice(40_000), FakeEncoder()
    first, second = (start / 16000 + 0.75 for start in window_starts(len(samples), METHOD)[:2])
    middle = (first + second) / 2
    a, b, c, d = step_logits(fake, samples, np.array([first, middle, second, 0], np.float32), None)
    assert b == pytest.approx((a + c) / 2, abs=1e-3)
    assert np.array_equal(a, d)
    e, f = step_logits(fake, samples, np.array([2.4, 99], np.float32), None)
    assert np.array_equal(e, f)


def test_a_change_is_seen_where_it_happens() -> None:
    samples = np.concatenate([steady(3, 0.25), steady(3, 0.75)])
    times = np.arange(0, 6, 0.04, dtype=np.float32)
    labels = step_logits(FakeEncoder(), samples, times, None).argmax(1)
    assert (labels[times < 2.2] == 2).all()
    assert (labels[times > 3.8] == 6).all()


def test_a_clip_that_is_shorter_than_a_window_is_one_window() -> None:
    fake = FakeEncoder()
    samples = voice(8000)
    logits = step_logits(fake, samples, np.array([0, 0.25, 0.5], np.float32), None)
    assert fake.batches == [1]
    assert np.array_equal(logits, np.repeat(fake.encode([samples])[0].logits[None], 3, axis=0))


def test_windows_go_to_the_model_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, times = voice(160_000), np.arange(0, 10, 0.04, dtype=np.float32)
    whole, small = FakeEncoder(), FakeEncoder()
    expected = step_logits(whole, samples, times, None)
    monkeypatch.setattr("emotrace.recognition.tracking.BATCH", 5)
    assert np.array_equal(step_logits(small, samples, times, None), expected)
    assert max(small.batches) == 5
    assert sum(small.batches) == sum(whole.batches) == len(window_starts(160_000, METHOD))


def test_the_reference_goes_with_every_window() -> None:
    samples, times = steady(3, 0.75), np.array([0.5, 1.5, 2.5], np.float32)
    assert set(step_logits(FakeEncoder(), samples, times, None).argmax(1)) == {6}
    assert set(step_logits(FakeEncoder(), samples, times, np.array([0.5], np.float32)).argmax(1)) == {2}


def test_silence_has_no_emotion_and_costs_no_inference() -> None:
    gap = np.full(5 * 16000, 0.2, np.float32)  # an offset is silence too
    samples = np.concatenate([steady(3, 0.5), gap, steady(3, 0.5)])
    times = np.arange(0, 11, 0.04, dtype=np.float32)
    fake = FakeEncoder()
    silent = np.isnan(step_logits(fake, samples, times, None))
    assert (silent.all(1) == silent.any(1)).all()
    assert silent[(times > 4) & (times < 7), 0].all()
    assert not silent[(times < 3.4) | (times > 7.6), 0].any()
    assert sum(fake.batches) < len(window_starts(len(samples), METHOD))


@given(start=st.floats(0, 1e4), length=st.floats(0, 100), more=st.floats(0, 100), hop=hops)
def test_neighbouring_stretches_share_no_step_and_leave_none_out(
    start: float, length: float, more: float, hop: float
) -> None:
    middle, end = start + length, start + length + more
    before, after = steps_between(start, middle, hop), steps_between(middle, end, hop)
    assert [*before, *after] == list(steps_between(start, end, hop))
    for step in [*before[:1], *before[-1:]]:
        assert start - 1e-6 <= (step + 0.5) * hop < middle + 1e-6


@given(count=st.integers(0, 10_000), hop=hops)
def test_a_whole_number_of_steps_is_that_many(count: int, hop: float) -> None:
    assert steps_between(0, count * hop, hop) == range(count)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9))
def test_softmax_is_a_distribution_in_the_order_of_the_logits(logits: list[float]) -> None:
    p = softmax(np.array(logits, np.float32))
    assert p.sum() == pytest.approx(1, abs=1e-6)
    assert (p >= 0).all()
    assert p[int(np.argmax(logits))] == p.max()
    assert softmax(np.zeros((0, 9), np.float32)).shape == (0, 9)


@given(data=st.data(), count=st.integers(0, 40), parts=st.integers(1, 9))
def test_coarser_steps_are_means_of_what_was_heard(data: st.DataObject, count: int, parts: int) -> None:
    heard = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
    rng = np.random.default_rng(0)
    fine = softmax(rng.normal(size=(count, 9)).astype(np.float32))
    fine[~heard] = np.nan
    coarse = coarsen(fine, parts)
    assert coarse.shape == (-(-count // parts), 9)
    for i, row in enumerate(coarse):
        part = fine[i * parts : (i + 1) * parts]
        kept = part[~np.isnan(part[:, 0])]
        expected = kept.mean(0) if len(kept) else np.full(9, np.nan)
        assert row == pytest.approx(expected, abs=1e-6, nan_ok=True)
