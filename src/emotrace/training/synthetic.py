"""Sounds that are not speech, made by formula: tones, chords, noises, hum, clicks, dial tones."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SECONDS = 4.0


def _coloured(rng: np.random.Generator, slope: float) -> NDArray[np.float64]:
    """Noise whose power falls with frequency to the given power (0 white, 1 pink, 2 brown)."""
    n = int(RATE * SECONDS)
    spectrum = rng.normal(size=n // 2 + 1) + 1j * rng.normal(size=n // 2 + 1)
    spectrum *= np.maximum(np.arange(n // 2 + 1), 20) ** (-slope / 2)
    return np.fft.irfft(spectrum, n)


def _note(t: NDArray[np.float64], hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A plucked or held note with a random spectrum of harmonics."""
    tilt, decay = rng.uniform(0.6, 2.0), rng.choice([0.0, 2.0, 6.0])
    partials = range(1, max(2, min(12, int(7000 / hz))))
    tone = sum(np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6)) / k**tilt for k in partials)
    return np.asarray(tone * np.exp(-decay * t) * np.minimum(1, t * 100))


def _melody(rng: np.random.Generator) -> NDArray[np.float64]:
    sound = np.zeros(int(RATE * SECONDS))
    step = int(RATE * rng.choice([0.15, 0.25, 0.5, 1.0]))
    scale = rng.choice([0, 2, 4, 5, 7, 9, 11, 12], size=64)
    root = rng.uniform(100, 400)
    for i, start in enumerate(range(0, len(sound), step)):
        length = min(2 * step, len(sound) - start)
        t = np.arange(length) / RATE
        for third in (0, 4, 7)[: rng.integers(1, 4)]:
            sound[start : start + length] += _note(t, root * 2 ** ((scale[i % 64] + third) / 12), rng)
    return sound


def _tones(rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.arange(int(RATE * SECONDS)) / RATE
    sound = sum(np.sin(2 * np.pi * rng.uniform(60, 5000) * t) for _ in range(rng.integers(1, 4)))
    if rng.random() < 0.5:  # a ringing or engaged tone
        sound = sound * (np.sin(2 * np.pi * rng.uniform(0.2, 4) * t) > 0)
    return np.asarray(sound)


def _sweep(rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.arange(int(RATE * SECONDS)) / RATE
    rate = rng.uniform(0.3, 3)
    return np.asarray(
        np.sin(800 * np.sin(2 * np.pi * rate * t) / rate + 2 * np.pi * rng.uniform(300, 2000) * t)
    )


def _hum(rng: np.random.Generator) -> NDArray[np.float64]:
    t = np.arange(int(RATE * SECONDS)) / RATE
    base = rng.choice([50, 60, 100])
    hum = sum(np.sin(2 * np.pi * base * k * t) / k for k in range(1, 20))
    return np.asarray(hum + 3 * _coloured(rng, 1.0) / 0.01 * rng.uniform(0, 0.01))


def _clicks(rng: np.random.Generator) -> NDArray[np.float64]:
    n = int(RATE * SECONDS)
    pulses = (rng.random(n) < rng.uniform(1, 30) / RATE) * rng.normal(size=n)
    ring = np.exp(-np.arange(400) / rng.uniform(5, 100)) * rng.normal(size=400)
    return np.convolve(pulses, ring)[:n] + 1e-3 * rng.normal(size=n)


@cache
def non_speech() -> dict[str, NDArray[np.float32]]:
    """Ninety sounds by name, float32 (n,), 16 kHz, the same in every run."""
    makers = {
        "noise": lambda rng: _coloured(rng, rng.uniform(0, 2.5)),
        "melody": _melody,
        "tones": _tones,
        "sweep": _sweep,
        "hum": _hum,
        "clicks": _clicks,
    }
    counts = {"noise": 20, "melody": 30, "tones": 15, "sweep": 5, "hum": 10, "clicks": 10}
    sounds: dict[str, NDArray[np.float32]] = {}
    for kind, make in makers.items():
        for i in range(counts[kind]):
            rng = np.random.default_rng([len(sounds), i])
            sound = make(rng) + 1e-6 * rng.normal(size=int(RATE * SECONDS))
            sounds[f"{kind}-{i:02d}"] = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return sounds
