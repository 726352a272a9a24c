from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emotrace.models.compact_network import BANDS, FrontEnd, pitch_hz
from emotrace.training import augment
from tests.voices import voice

seeds = st.integers(0, 2**31)


def spectra(clips: int = 3, samples: int = 16_000) -> Tensor:
    return torch.cat([FrontEnd()(torch.from_numpy(voice(samples, seed))[None]) for seed in range(clips)])


SPECTRA = spectra()

ONES = torch.ones(len(SPECTRA))


@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_every_change_keeps_the_shape_and_stays_finite(seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        n, frames = len(SPECTRA), SPECTRA.shape[1]
        speed, factor = augment.uniform(n, 0.85, 1.18), augment.uniform(n, 0.84, 1.19)
        warped = augment.warp(SPECTRA, int(frames / 1.2), speed, factor, factor)
        assert warped.shape == (n, int(frames / 1.2), 2 * BANDS)
        wet = augment.reverberate(
            SPECTRA, float(augment.uniform(1, 0.15, 0.8)), float(augment.uniform(1, -3, 12))
        )
        noise = SPECTRA.flip(0)
        mixed, mean = augment.add_noise(SPECTRA, noise, 30 * torch.rand(n))
        line = augment.equaliser(n, 4.0) + augment.telephone(n)
        masked = augment.mask_stripes(torch.stack([SPECTRA, SPECTRA], 1))
        assert wet.shape == mixed.shape == SPECTRA.shape
        assert mean.shape == line.shape == (n, 2 * BANDS)
        assert masked.shape == (n, 2, frames, 2 * BANDS)
        for part in (warped, wet, mixed, mean, line, masked):
            assert torch.isfinite(part).all()


def test_warping_by_one_is_the_same_clip() -> None:
    same = augment.warp(SPECTRA, 50, ONES, ONES, ONES)
    assert (same - SPECTRA[:, :50]).abs().max() < 0.01


def test_speed_shortens_and_pitch_moves_up() -> None:
    ramp = torch.arange(100.0)[None, :, None].expand(1, 100, 2 * BANDS).contiguous()
    fast = augment.warp(ramp, 50, 2 * torch.ones(1), torch.ones(1), torch.ones(1))
    assert fast[0, :, 0] == pytest.approx(2 * np.arange(50), abs=1e-3)
    line = torch.zeros(1, 4, 2 * BANDS)
    line[:, :, BANDS + 20] = 1.0  # 110 Hz
    octave = augment.warp(line, 4, torch.ones(1), torch.ones(1), 2 * torch.ones(1))
    assert int(octave[0, 0, BANDS:].argmax()) == 40
    assert pitch_hz()[40] == pytest.approx(220)
    assert torch.equal(octave[0, 0, :BANDS], torch.zeros(BANDS))


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_comes_in_at_the_level_that_was_asked_for(snr_db: float) -> None:
    speech = 3 * torch.rand(2, 50, 2 * BANDS)
    noise = torch.full((2, 50, 2 * BANDS), 7.0)
    mixed, mean = augment.add_noise(speech, noise, torch.full((2,), snr_db))
    power = torch.exp(speech[:, :, :BANDS]).mean((1, 2))
    added = (torch.exp(mixed) - torch.exp(speech))[:, :, :BANDS].mean((1, 2))
    assert (10 * torch.log10(power / added)).numpy() == pytest.approx(snr_db, abs=0.05)
    assert torch.exp(mean[:, :BANDS]).mean(1).numpy() == pytest.approx(added.numpy(), rel=1e-3)


def test_noise_only_adds() -> None:
    mixed, _ = augment.add_noise(SPECTRA, SPECTRA.flip(0), torch.zeros(len(SPECTRA)))
    assert (mixed >= SPECTRA - 1e-4).all()


def test_reverberation_rings_on_and_never_rings_before() -> None:
    burst = torch.full((1, 60, 2 * BANDS), -20.0)
    burst[:, 20] = 0.0
    wet = augment.reverberate(burst, 0.4, 0.0)
    assert (wet[:, :20] - burst[:, :20]).abs().max() < 0.75  # the floor rings too, by at most as much again
    tail = wet[0, 21:50, 0]
    assert (tail.diff() < 0).all()
    fall_db = float(tail[0] - tail[20]) / augment.LN_PER_DB
    assert fall_db == pytest.approx(60 * 0.2 / 0.4, abs=1)


def test_a_telephone_lets_the_middle_through() -> None:
    response = augment.telephone(8) / augment.LN_PER_DB
    hz = augment.CENTRES_HZ
    assert (response[:, (hz > 400) & (hz < 3000)] == 0).all()
    assert (response[:, hz < 120] < -6).all()
    assert (response[:, hz > 4500] < -20).all()
    assert response.min() >= -60 - 1e-3


def test_stripes_are_zeros_and_not_everything() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        masked = augment.mask_stripes(torch.ones(16, 2, 100, 2 * BANDS))
    assert set(masked.flatten().tolist()) == {0.0, 1.0}
    share = masked.mean((1, 2, 3))
    assert (share >= (1 - 24 / 100) * (1 - 48 / 160)).all()
    assert share.min() < 1
    assert torch.equal(masked[:, 0], masked[:, 1])
