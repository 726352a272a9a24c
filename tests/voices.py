"""Sounds that behave like voices, made by formula, for tests that need no meaning."""

from __future__ import annotations

import numpy as np

from emotrace.results import Array

RATE = 16_000


def voice(samples: int, seed: int = 0, level: float = 0.1) -> Array:
    """A gliding harmonic tone with syllables and breath, float32 (n,), with about the given level."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    pitch = rng.uniform(90, 250) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.3, 1.5) * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = sum(np.sin(k * phase) / k**1.2 for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(2, 5) * t + rng.uniform(0, 6))
    sound = harmonics * syllables + 0.05 * rng.normal(size=samples)
    return np.asarray(sound * level / np.sqrt(np.mean(sound**2) + 1e-12), np.float32)


def steady(seconds: float, level: float) -> Array:
    """A tone of a given level (root mean square), float32 (n,): the FakeEncoder's label 8 * level."""
    t = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(level * np.sqrt(2) * np.sin(2 * np.pi * 250 * t), np.float32)
