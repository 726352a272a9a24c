"""The front end against its definition, written a second time in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emotrace.models.compact_network import (
    ACTIVE,
    BANDS,
    FLOOR,
    SCALE,
    FrontEnd,
    activity,
    band_level,
    mean_spectrum,
    mel_filters,
    normalise,
    pitch_hz,
)
from emotrace.results import Array
from tests.voices import voice

RATE, HOP = 16_000, 160
DB = np.log(10) / 10
Floats = NDArray[np.float64]

FRONT = FrontEnd()


def spectra_of(samples: Array) -> torch.Tensor:
    spectra: torch.Tensor = FRONT(torch.from_numpy(samples)[None])
    return spectra


def frames_of(samples: Array, size: int) -> Floats:
    """Frames of ``size`` samples, the middle of each at 80, 240, 400 ...; zeros beyond the ends."""
    count = len(samples) // HOP
    padded = np.concatenate([np.zeros(size), samples.astype(np.float64), np.zeros(size)])
    starts = [size + HOP * t + HOP // 2 - size // 2 for t in range(count)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return np.array([padded[s : s + size] * window for s in starts]).reshape(count, size)


def slaney_hz(mel: Floats) -> Floats:
    """Slaney's mel scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for each factor of 6.4."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def mel_spectrum(samples: Array) -> Floats:
    power = np.abs(np.fft.rfft(frames_of(samples, 400), 512)) ** 2
    top = 15 + 27 * np.log(7.6) / np.log(6.4)
    edges = slaney_hz(np.linspace(50 * 3 / 200, top, 82))
    bins = np.arange(257) * RATE / 512
    bands = [
        power @ np.interp(bins, edges[b : b + 3], [0, 1, 0]) * 2 / (edges[b + 2] - edges[b])
        for b in range(80)
    ]
    return np.log(np.stack(bands, 1) + 1e-10)


def pitch_spectrum(samples: Array) -> Floats:
    hz = 55 * 2 ** (np.arange(80) / 20)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(1024), hz) / RATE)
    return np.asarray(np.log(np.abs(frames_of(samples, 1024) @ turns) ** 2 + 1e-10))


SOUNDS = {
    "voice": voice(12_345),
    "noise": np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32),
    "tone": (0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / RATE)).astype(np.float32),
    "click": np.eye(1, 4000, 2000, dtype=np.float32)[0],
}


@pytest.mark.parametrize("name", SOUNDS)
def test_both_spectra_are_what_numpy_makes_of_them(name: str) -> None:
    got = spectra_of(SOUNDS[name])[0].numpy()
    expected = np.concatenate([mel_spectrum(SOUNDS[name]), pitch_spectrum(SOUNDS[name])], 1)
    assert got.shape == expected.shape == (len(SOUNDS[name]) // HOP, 2 * BANDS)
    audible = expected > expected.max() - FLOOR  # what lies lower is cut off before the network sees it
    assert np.abs(got - expected)[audible].max() < 2e-3


def test_the_filters_have_unit_area_where_they_are_wide_enough() -> None:
    filters = mel_filters()
    assert (filters >= 0).all()
    assert (filters.sum(0)[20:] * RATE / 512) == pytest.approx(np.ones(60), abs=0.15)
    assert (np.diff(filters.argmax(0)) >= 0).all()


def test_the_pitch_bands_are_four_octaves_of_twenty() -> None:
    hz = pitch_hz()
    assert (hz[0], hz[20], hz[60]) == pytest.approx((55, 110, 440))
    tone = spectra_of(SOUNDS["tone"])[0, 20:30, BANDS:].mean(0)
    assert int(tone.argmax()) == 60


def test_digital_silence_is_finite() -> None:
    features = normalise(spectra_of(np.zeros(8000, np.float32)), torch.zeros(1, 160), torch.zeros(1, 1))
    assert all(torch.isfinite(part).all() for part in features)


def quiet_speech_quiet(before: int, speech: int, after: int, drop_db: float) -> Array:
    gain = np.repeat([10 ** (-drop_db / 20), 1, 10 ** (-drop_db / 20)], [before, speech, after])
    noise = np.random.default_rng(before).normal(0, 0.1, before + speech + after)
    return np.asarray(noise * gain, np.float32)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (3200, 0), (0, 4800), (8000, 1600)])
def test_what_is_35_db_down_at_the_ends_is_masked(before: int, after: int) -> None:
    samples = quiet_speech_quiet(before, 16_000, after, 50)
    _, inside = activity(spectra_of(samples))
    where = torch.nonzero(inside[0])[:, 0]
    assert abs(int(where[0]) * HOP - before) <= 2 * HOP
    assert abs((int(where[-1]) + 1) * HOP - before - 16_000) <= 2 * HOP
    _, all_of_it = activity(spectra_of(quiet_speech_quiet(before, 16_000, after, 20)))
    assert all_of_it.all()


def test_a_pause_inside_is_not_active_but_not_masked_either() -> None:
    samples = np.concatenate([voice(8000), np.zeros(8000, np.float32), voice(8000)])
    active, inside = activity(spectra_of(samples))
    assert inside.all()
    assert not active[0, 60:90].any()
    assert active[0, :45].all()


@given(seed=st.integers(0, 99), frames=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_the_mask_is_one_run_that_holds_every_active_frame(seed: int, frames: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    spectra = 12 * torch.randn(1, frames, 1, generator=generator) + torch.randn(
        1, frames, 160, generator=generator
    )
    active, inside = activity(spectra)
    level = torch.logsumexp(spectra[:, :, :BANDS], 2)[0]
    loud = torch.sort(level, descending=True).values[frames // 50]
    assert torch.equal(active[0] > 0, level > loud - ACTIVE)
    where = torch.nonzero(active[0])[:, 0]
    expected = torch.zeros(frames)
    expected[where[0] : where[-1] + 1] = 1
    assert torch.equal(inside[0], expected)


@pytest.mark.parametrize("gain_db", [-20.0, -10.0, 10.0, 20.0])
def test_gain_changes_nothing_that_the_network_sees(gain_db: float) -> None:
    samples = voice(16_000, level=0.05)
    reference, there = torch.randn(1, 160, generator=torch.Generator().manual_seed(0)), torch.ones(1, 1)
    quiet = normalise(spectra_of(samples), reference, there)
    loud = normalise(spectra_of(samples * np.float32(10 ** (gain_db / 20))), reference, there)
    assert torch.equal(quiet.mask, loud.mask)
    assert (quiet.values - loud.values).abs().max() < 5e-3
    assert (quiet.spectrum - loud.spectrum).abs().max() < 5e-3


def test_what_normalise_removes_and_what_it_leaves() -> None:
    spectra = spectra_of(voice(16_000))
    reference = torch.randn(1, 160, generator=torch.Generator().manual_seed(0))
    alone = normalise(spectra, reference, torch.zeros(1, 1))
    compared = normalise(spectra, reference, torch.ones(1, 1))
    assert torch.allclose(alone.values[:, 0], alone.values[:, 1], atol=1e-5)
    assert torch.equal(alone.values[:, 0], compared.values[:, 0])
    active, _ = activity(spectra)
    mean = (alone.values[0, 0] * active[0, :, None]).sum(0) / active.sum()
    assert mean.abs().max() < 1e-4
    flat = normalise(spectra, torch.zeros(1, 160), torch.ones(1, 1))
    shift = (compared.values - flat.values)[0, 1] * SCALE
    expected = -reference[0] * alone.mask[0, :, None]
    assert (shift - expected).abs().max() < 1e-4


def test_a_clip_of_its_own_reference_is_the_clip_alone() -> None:
    spectra = spectra_of(voice(16_000))
    alone = normalise(spectra, torch.zeros(1, 160), torch.zeros(1, 1))
    compared = normalise(spectra, alone.spectrum, torch.ones(1, 1))
    # Nearly: the floor of a speaker's spectrum lies deeper than that of a clip.
    assert (alone.values - compared.values).abs().max() < 0.05


def test_nothing_is_left_under_the_floor() -> None:
    spectra = spectra_of(SOUNDS["tone"])
    features = normalise(spectra, torch.zeros(1, 160), torch.zeros(1, 1))
    for half in torch.split(features.values[0, 0], BANDS, 1):
        range_db = float((half.max() - half.min()) * SCALE) / DB
        assert range_db <= 2 * FLOOR / DB


def test_the_level_of_a_spectrum_is_the_mean_of_each_half() -> None:
    spectrum = torch.cat([torch.full((1, BANDS), 3.0), torch.full((1, BANDS), -2.0)], 1)
    assert torch.equal(band_level(spectrum), spectrum)
    mean, level = mean_spectrum(torch.stack([spectrum, 3 * spectrum], 1), torch.tensor([[1.0, 0.0]]))
    assert torch.equal(mean, spectrum)
    assert torch.equal(mean - level, torch.zeros(1, 2 * BANDS))
