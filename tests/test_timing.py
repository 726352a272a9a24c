"""Seconds, samples and frames turn into each other by one rule."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emotrace.timing import SAMPLING_RATE, count_frames, samples_to_seconds, seconds_to_samples

rates = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
days = st.integers(0, 3 * 24 * 3600 * 192_000)


@given(days, rates)
def test_a_sample_returns_to_itself(samples: int, rate: int) -> None:
    assert seconds_to_samples(samples_to_seconds(samples, rate), rate) == samples


@given(st.floats(0, 1e5), rates)
def test_a_time_becomes_the_nearest_sample(seconds: float, rate: int) -> None:
    samples = seconds_to_samples(seconds, rate)
    assert isinstance(samples, int)
    assert abs(samples_to_seconds(samples, rate) - seconds) <= 0.5 / rate * (1 + 1e-6)


@given(st.floats(0, 1e5), st.floats(0, 10), rates)
def test_later_is_never_earlier(seconds: float, more: float, rate: int) -> None:
    assert seconds_to_samples(seconds, rate) <= seconds_to_samples(seconds + more, rate)


def test_halves_go_up() -> None:
    assert seconds_to_samples(0.5 / SAMPLING_RATE) == 1
    assert seconds_to_samples(-0.5 / SAMPLING_RATE) == 0


@pytest.mark.parametrize("step", [0.02, 0.04, 0.1, 0.24, 1.5])
def test_every_step_of_a_track_starts_on_its_sample(step: float) -> None:
    assert all(seconds_to_samples(i * step) == round(i * round(step * 16000)) for i in range(100_000))


@given(st.integers(0, 10_000), st.integers(1, 500), st.integers(1, 500))
def test_frames_are_counted_whole(samples: int, frame: int, hop: int) -> None:
    count = count_frames(samples, frame, hop)
    assert count == len([start for start in range(0, samples, hop) if start + frame <= samples])


@given(st.integers(1, 10_000), st.integers(1, 500), st.integers(1, 500))
def test_one_more_sample_is_at_most_one_more_frame(samples: int, frame: int, hop: int) -> None:
    assume(samples > 1)
    assert count_frames(samples, frame, hop) - count_frames(samples - 1, frame, hop) in (0, 1)
