"""Samples in memory: dtypes, shapes, rates, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.audio import load
from emotrace.errors import AudioError, NoAudioError
from tests.audio.tones import tone

STEREO = np.stack([tone(), tone(amplitude=0.1)])


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([-128, 0, 64], np.int8), [-1, 0, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-32768, 0, 16384], ">i2"), [-1, 0, 0.5]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], np.float16), [-1, 0, 0.5]),
        (np.array([-1, 0, 0.5], np.float64), [-1, 0, 0.5]),
        ([-1.0, 0.0, 0.5], [-1, 0, 0.5]),
    ],
)
def test_dtypes_are_scaled_to_full_scale(array: Any, expected: list[float]) -> None:
    samples = load((array, 16000)).samples
    assert samples.dtype == np.float32
    assert samples.tolist() == expected


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.complex64, np.bool_, np.str_, object])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(AudioError, match=r"has dtype .*; expected float16, float32"):
        load((np.ones(100).astype(dtype), 16000))


@pytest.mark.parametrize("array", [STEREO, STEREO.T, np.ascontiguousarray(STEREO.T)])
def test_channels_lie_on_the_short_axis(array: Any) -> None:
    assert np.allclose(load((array, 16000)).samples, STEREO.mean(axis=0))
    assert np.array_equal(load((array, 16000), channel=1).samples, STEREO[1])


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1), (1, 500), (500, 1)])
def test_an_axis_of_one_is_the_channel(shape: tuple[int, int]) -> None:
    assert len(load((np.full(shape, 0.25, np.float32), 16000)).samples) == max(shape)


@pytest.mark.parametrize("shape", [(2, 2), (16, 16), (17, 17), (100, 200), (2, 2, 100), ()])
def test_ambiguous_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"has shape .*; expected \(n,\)"):
        load((np.zeros(shape, np.float32), 16000))


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0)])
def test_no_samples(shape: tuple[int, ...]) -> None:
    with pytest.raises(NoAudioError, match="not one sample"):
        load((np.zeros(shape, np.float32), 16000))


@given(
    bad=st.lists(st.integers(0, 299), min_size=1, unique=True),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 1e300]),
)
def test_samples_that_are_no_numbers(bad: list[int], value: float) -> None:
    samples = np.zeros(300)
    samples[bad] = value
    expected = f"has {len(bad)} samples that are not finite numbers .* first at index {min(bad)};"
    with pytest.raises(AudioError, match=expected):
        load((samples, 16000))


def test_the_channel_of_a_bad_sample_is_named() -> None:
    samples = STEREO.copy()
    samples[1, 5] = np.nan
    with pytest.raises(AudioError, match="1 samples in channel 1"):
        load((samples, 16000))


@pytest.mark.parametrize("rate", [0, -16000, 999, 10**7, 44100.5, float("nan"), "16000", None, True])
def test_rates_that_are_none(rate: Any) -> None:
    with pytest.raises(AudioError, match="expected a whole number of Hz"):
        load((tone(), rate))


def test_samples_in_the_place_of_the_rate_are_told_on_one_line() -> None:
    with pytest.raises(AudioError, match=r"sampling rate array\(.*; expected a whole number of Hz"):
        load((16000, tone()))  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [16000, 16000.0, np.int64(16000), np.float32(16000)])
def test_rates_of_any_number_type(rate: Any) -> None:
    assert len(load((tone(), rate)).samples) == 8000


def test_the_array_is_not_changed() -> None:
    samples = STEREO.copy()
    load((samples, 16000))
    assert np.array_equal(samples, STEREO)


def test_an_array_without_its_rate() -> None:
    with pytest.raises(AudioError, match="without its sampling rate"):
        load(tone())  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="a tuple of 3 came"):
        load((tone(), 16000, 1))  # type: ignore[arg-type]
    with pytest.raises(AudioError, match="a dict came"):
        load({})  # type: ignore[arg-type]
