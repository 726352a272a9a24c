"""Augmentation on log-mel spectra: what microphones, rooms, lines and voices do.

All functions take natural-log power spectra, float32 (B, T, 2 * BANDS). What belongs to the voice or the line
(frequency warp, equaliser, telephone band) is done to the speaker's reference spectrum as well.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emotrace.models.compact_network import BANDS, pitch_hz

LN_PER_DB = float(np.log(10) / 10)


def _mel(hz: Tensor) -> Tensor:
    """Slaney mel."""
    high = 15 + 27 * torch.log(hz.clamp(min=1e-3) / 1000) / np.log(6.4)
    return torch.where(hz < 1000, hz * 3 / 200, high)


_EDGES = _mel(torch.tensor([50.0, 7600.0])).tolist()
_MELS = torch.linspace(_EDGES[0], _EDGES[1], BANDS + 2)[1:-1]
_MEL_HZ = torch.where(_MELS < 15, _MELS * 200 / 3, 1000 * torch.exp((_MELS - 15) * np.log(6.4) / 27))
_PITCH_HZ = torch.tensor(pitch_hz(), dtype=torch.float32)
CENTRES_HZ = torch.cat([_MEL_HZ, _PITCH_HZ])
"""Centre frequency of each of the 2 * BANDS bands."""


def uniform(n: int, low: float, high: float) -> Tensor:
    """(n,) uniform random numbers."""
    return torch.rand(n) * (high - low) + low


def chance(n: int, p: float) -> Tensor:
    """(n,) booleans, each true with probability p."""
    return torch.rand(n) < p


def warp(x: Tensor, length: int, speed: Tensor, formants: Tensor, pitch: Tensor) -> Tensor:
    """Resample time and frequency (bilinear), cut to ``length`` frames.

    Args:
        x: (B, T, 2 * BANDS).
        length: frames wanted.
        speed: (B,), over 1 is faster; needs T >= length * speed.
        formants: (B,), factor of the mel half's frequencies.
        pitch: (B,), factor of the pitch half's frequencies.
    """
    b, t, _ = x.shape
    rows = (torch.arange(length)[None] * speed[:, None] * 2 / (t - 1) - 1)[:, :, None]
    mel_hz, tone_hz = (hz.to(x.device) for hz in (_MEL_HZ, _PITCH_HZ))
    mel = (_mel(mel_hz[None] / formants[:, None]) - float(_MELS[0])) / float(_MELS[1] - _MELS[0])
    octave = torch.log2(tone_hz[None] / pitch[:, None] / float(_PITCH_HZ[0]))
    pitches = octave / float(torch.log2(_PITCH_HZ[1] / _PITCH_HZ[0]))
    halves = []
    for half, source in zip((x[..., :BANDS], x[..., BANDS:]), (mel, pitches), strict=True):
        columns = (source * 2 / (BANDS - 1) - 1)[:, None]
        grid = torch.stack([columns.expand(b, length, BANDS), rows.expand(b, length, BANDS)], 3)
        halves.append(
            functional.grid_sample(half[:, None], grid, "bilinear", "border", align_corners=True)[:, 0]
        )
    return torch.cat(halves, 2)


def reverberate(x: Tensor, seconds: float, direct_db: float) -> Tensor:
    """Add an exponential tail that falls by 60 dB in ``seconds``, ``direct_db`` under the direct sound.

    Args:
        x: log powers (B, T, bands), 100 frames a second.
        seconds: reverberation time.
        direct_db: how much louder the direct sound is, in dB.
    """
    taps = max(2, min(60, int(seconds * 100)))
    tail = torch.exp(-torch.arange(1, taps) * (60 * LN_PER_DB / (seconds * 100)))
    tail = tail / tail.sum() * np.exp(-direct_db * LN_PER_DB)
    kernel = torch.cat([torch.ones(1), tail]).flip(0)[None, None]
    b, t, bands = x.shape
    power = torch.exp(x).transpose(1, 2).reshape(b * bands, 1, t)
    wet = functional.conv1d(functional.pad(power, (taps - 1, 0)), kernel)
    return torch.log(wet.reshape(b, bands, t).transpose(1, 2))


def equaliser(n: int, deviation_db: float) -> Tensor:
    """Random smooth frequency responses, (n, 2 * BANDS), natural-log power."""
    axis = np.pi * _mel(CENTRES_HZ.to(torch.get_default_device())) / _EDGES[1]
    basis = torch.stack([torch.cos(k * axis) for k in range(1, 6)])
    return (torch.randn(n, 5) * torch.tensor([1.0, 0.8, 0.6, 0.4, 0.3]) * deviation_db * LN_PER_DB) @ basis


def telephone(n: int) -> Tensor:
    """Frequency responses of telephone lines, (n, 2 * BANDS), natural-log power."""
    low, high = uniform(n, 200, 350)[:, None], uniform(n, 3200, 3800)[:, None]
    hz = CENTRES_HZ.to(low.device)[None]
    octaves = torch.log2(low / hz).clamp(min=0) * uniform(n, 12, 36)[:, None]
    octaves = octaves + torch.log2(hz / high).clamp(min=0) * 100
    return -octaves.clamp(max=60.0) * LN_PER_DB


def add_noise(x: Tensor, noise: Tensor, snr_db: Tensor) -> tuple[Tensor, Tensor]:
    """Mix noise in; powers add.

    Args:
        x: (B, T, 2 * BANDS).
        noise: (B, T, 2 * BANDS).
        snr_db: (B,), ratio of the mean powers of the mel halves.

    Returns:
        The mix, and the noise's mean spectrum at the mixed level, (B, 2 * BANDS), natural-log power.
    """
    speech_level, noise_level = (torch.log(torch.exp(s[:, :, :BANDS]).mean((1, 2))) for s in (x, noise))
    noise = noise + (speech_level - noise_level - snr_db * LN_PER_DB)[:, None, None]
    return torch.logaddexp(x, noise), noise.mean(1)


def mask_stripes(values: Tensor, time: int = 12, bands: int = 12) -> Tensor:
    """SpecAugment (Park et al. 2019): up to two zeroed stripes of frames and four of bands in each clip.

    Args:
        values: (B, channels, T, 2 * BANDS), changed in place.
        time: widest stripe in frames.
        bands: widest stripe in bands.
    """
    b, _, t, f = values.shape
    keep = stripes(b, t, time, 2)[:, :, None] * stripes(b, f, bands, 4)[:, None]  # (B, T, 2 * BANDS)
    values *= keep[:, None]
    return values


def stripes(n: int, size: int, widest: int, count: int) -> Tensor:
    """(n, size) ones with ``count`` stripes of zeros, each 0 to ``widest`` wide."""
    position = torch.arange(size)
    width = (torch.rand(n, count, 1) * (widest + 1)).floor()
    start = (torch.rand(n, count, 1) * (size - width)).floor()
    return ((position < start) | (position >= start + width)).all(1).float()
