"""Spectra and bandwidth do not depend on chunks, and are right for sounds made by formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.audio.bandwidth import BAND_HZ, BandwidthMeter
from emotrace.audio.spectrum import BINS, HOP, WINDOW, Spectra
from emotrace.results import Array
from tests.voices import voice

RATE = 16_000
SOUND = voice(9_000)
EXPECTED = Spectra().feed(SOUND)


@given(marks=st.lists(st.integers(0, len(SOUND)), max_size=9).map(sorted))
@settings(max_examples=25, deadline=None)
def test_any_chunking_gives_the_same_spectra(marks: list[int]) -> None:
    spectra = Spectra()
    parts = [spectra.feed(part) for part in np.split(SOUND, marks)]
    assert np.array_equal(np.concatenate(parts), EXPECTED)


@pytest.mark.parametrize("samples", [0, 1, WINDOW - 1, WINDOW, WINDOW + HOP - 1, WINDOW + HOP])
def test_only_whole_frames(samples: int) -> None:
    frames = Spectra().feed(np.zeros(samples, np.float32))
    assert frames.shape == (max(0, (samples - WINDOW) // HOP + 1), BINS)
    assert frames.dtype == np.float32


def test_the_power_of_a_frame_is_its_mean_square() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 40 * RATE).astype(np.float32)
    assert Spectra().feed(noise).sum(axis=1).mean() == pytest.approx(0.01, rel=0.02)
    assert Spectra().feed(np.full(RATE, 0.5, np.float32)).sum(axis=1) == pytest.approx(0.25, rel=1e-4)


def bandwidth(sound: Array) -> float:
    """Bandwidth of a whole sound in Hz."""
    meter = BandwidthMeter()
    meter.feed(Spectra().feed(sound))
    return meter.result()


def _syllables(seed: int = 0) -> Array:
    """Noise in all bands that comes and goes like syllables."""
    rng = np.random.default_rng(seed)
    t = np.arange(4 * RATE) / RATE
    sound = rng.normal(0, 0.1, len(t)) * np.maximum(0, np.sin(2 * np.pi * 3 * t)) ** 2
    return np.asarray(sound, np.float32)


def _through(sound: Array, rate: int) -> Array:
    return np.asarray(soxr.resample(soxr.resample(sound, RATE, rate), rate, RATE), np.float32)


@pytest.mark.parametrize("rate", [16_000, 12_000, 8_000, 6_800])
def test_bandwidth_is_half_the_rate_that_the_sound_went_through(rate: int) -> None:
    told = bandwidth(_through(_syllables(), rate))
    assert told == pytest.approx(rate / 2, rel=0.08)


def test_bandwidth_does_not_mind_the_level() -> None:
    sound = _through(_syllables(), 8_000)
    told = [bandwidth(sound * np.float32(gain)) for gain in (1.0, 0.1, 0.01)]
    assert max(told) - min(told) <= 2 * BAND_HZ


def test_a_steady_noise_behind_the_telephone_does_not_widen_it() -> None:
    sound = _through(_syllables(), 8_000)
    noise = np.random.default_rng(1).normal(0, 0.003, len(sound))
    assert bandwidth((sound + noise).astype(np.float32)) < 4_500


def test_nothing_has_no_bandwidth() -> None:
    assert math.isnan(bandwidth(np.zeros(RATE, np.float32)))
    assert math.isnan(bandwidth(np.zeros(10, np.float32)))
