"""Music and singing made by formula: instruments, drums and sung vowels on a common beat.

What real instruments and voices have in common, and speech has not, is what the sound network should learn:
notes that keep their pitch, a beat, chords. Timbre is drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RATE = 16_000

Sound = NDArray[np.float64]

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (0, 0, 3, 4), (0, 6, 5, 4))
VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
"""First three formants in Hz of a, e, i, o, u (Peterson and Barney 1952, men)."""


def _note(hz: float, seconds: float, timbre: np.random.Generator, kind: str) -> Sound:
    """One note; the timbre generator is seeded the same for all notes of an instrument."""
    t = np.arange(int(RATE * seconds)) / RATE
    tilt, decay, stretch = timbre.uniform(0.5, 2.2), timbre.uniform(1, 9), timbre.uniform(0, 4e-4)
    odd, vibrato = timbre.random() < 0.25, timbre.uniform(0, 0.006)
    partials = [float(k) for k in range(1, 16) if not (odd and k % 2 == 0)]
    if kind == "bell":
        partials = [1.0, 2.76, 4.0, 5.4, 8.93]
    out = np.zeros(len(t))
    wobble = vibrato * np.sin(2 * np.pi * timbre.uniform(4.5, 6.5) * t) if kind == "held" else 0.0
    for k in partials:
        frequency = hz * k * np.sqrt(1 + stretch * k * k)
        if frequency > 7500:
            break
        phase = 2 * np.pi * frequency * np.cumsum(1 + wobble + np.zeros(len(t))) / RATE
        fall = np.exp(-decay * k**0.5 * t) if kind != "held" else 1.0
        out += np.sin(phase + timbre.uniform(0, 6)) / k**tilt * fall
    attack = timbre.uniform(0.002, 0.01) if kind != "held" else timbre.uniform(0.02, 0.1)
    envelope = np.minimum(1, t / attack) * np.minimum(1, (t[-1] - t) / 0.03)
    return np.asarray(out * envelope)


def _sung(hz: float, seconds: float, singer: np.random.Generator, rng: np.random.Generator) -> Sound:
    """A sung syllable: a consonant's noise, then a vowel that glides into another."""
    t = np.arange(int(RATE * seconds)) / RATE
    size, tilt = singer.uniform(0.95, 1.25), singer.uniform(0.6, 1.2)
    first, last = (np.array(VOWELS[i]) * size for i in rng.integers(0, len(VOWELS), 2))
    depth, rate = singer.uniform(0.002, 0.02), singer.uniform(4.8, 6.4)
    onset = np.clip((t - 0.15) / 0.2, 0, 1)
    scoop = -0.06 * np.exp(-t / 0.04) * rng.random()
    f0 = hz * (1 + scoop + depth * onset * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    mix = np.clip((t - rng.uniform(0.1, 0.6) * seconds) / 0.12, 0, 1)
    out = np.zeros(len(t))
    for k in range(1, int(min(40, 5500 / hz)) + 1):
        gain = np.zeros(len(t))
        for one, (a, b) in enumerate(zip(first, last, strict=True)):
            centre, width = a + (b - a) * mix, 60 + 40 * one
            gain += 0.7**one / (1 + ((k * f0 - centre) / width) ** 2)
        out += (gain + 0.01) * np.sin(k * phase) / k ** (tilt * 0.5)
    out *= np.minimum(1, t / 0.03) * np.minimum(1, (t[-1] - t) / 0.05)
    burst = int(RATE * rng.uniform(0.02, 0.1))
    if rng.random() < 0.6 and len(out) > 2 * burst:
        out[:burst] = np.diff(rng.normal(size=burst + 1)) * np.hanning(burst) * 0.3 * np.abs(out).max()
    return out


def _drum(rng: np.random.Generator, kind: str) -> Sound:
    t = np.arange(int(RATE * 0.25)) / RATE
    if kind == "kick":
        return np.asarray(np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t * 30)))) * np.exp(-t * 15))
    noise = rng.normal(size=len(t)) * np.exp(-t * (18 if kind == "snare" else 60))
    if kind == "hat":
        return np.diff(noise, prepend=0.0)
    return np.asarray(noise + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 20))


def _put(out: Sound, sound: Sound, at: float, gain: float) -> None:
    start = int(at * RATE)
    end = min(len(out), start + len(sound))
    if end > start:
        out[start:end] += gain * sound[: end - start]


class _Piece:
    """One piece of music: key, beat, chords; parts are added to it."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        self.rng, self.seconds = rng, seconds
        self.beat = 60 / rng.uniform(60, 170)
        self.scale = SCALES[rng.integers(len(SCALES))]
        self.root = rng.uniform(100, 200)
        self.progression = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
        self.out = np.zeros(int(RATE * seconds))

    def hz(self, degree: int, octave: int = 0) -> float:
        jump, step = divmod(degree, len(self.scale))
        return float(self.root * 2 ** ((self.scale[step] + 12 * (jump + octave)) / 12))

    def times(self, step: float) -> Iterator[tuple[float, int]]:
        """Times, a step of beats apart, and the chord that sounds there."""
        for i in range(int(self.seconds / (self.beat * step)) + 1):
            yield i * self.beat * step, self.progression[int(i * step // 4) % 4]

    def chords(self, kind: str, gain: float) -> None:
        seed = self.rng.integers(1 << 30)
        for at, chord in self.times(float(self.rng.choice([1, 2, 4]))):
            for third in (0, 2, 4):
                note = _note(self.hz(chord + third), self.beat * 2, np.random.default_rng(seed), kind)
                _put(self.out, note, at + self.rng.uniform(0, 0.01), gain)

    def melody(self, kind: str, gain: float) -> None:
        seed, at, degree = self.rng.integers(1 << 30), 0.0, int(self.rng.integers(0, 7))
        octave = int(self.rng.integers(0, 3))
        while at < self.seconds:
            length = self.beat * float(self.rng.choice([0.25, 0.5, 0.5, 1, 1, 2]))
            if self.rng.random() < 0.88:
                hz = self.hz(degree, octave)
                if kind == "sung":
                    note = _sung(hz, max(0.12, length), np.random.default_rng(seed), self.rng)
                else:
                    note = _note(hz, max(0.1, length * 1.1), np.random.default_rng(seed), kind)
                _put(self.out, note / max(1e-9, np.abs(note).max()), at, gain)
            degree = int(np.clip(degree + self.rng.integers(-2, 3), -3, 10))
            at += length

    def bass(self, gain: float) -> None:
        seed = self.rng.integers(1 << 30)
        for at, chord in self.times(1):
            note = _note(self.hz(chord, -1), self.beat, np.random.default_rng(seed), "plucked")
            _put(self.out, note, at, gain)

    def drums(self, gain: float) -> None:
        for i, (at, _) in enumerate(self.times(0.5)):
            kind = "kick" if i % 4 == 0 else "snare" if i % 4 == 2 else "hat"
            _put(self.out, _drum(self.rng, kind), at, gain * self.rng.uniform(0.5, 1.2))


def piece(seed: int, seconds: float = 10.0) -> NDArray[np.float32]:
    """A piece of music, float32 (n,), 16 kHz, peak 0.5; every third one is sung.

    >>> piece(3, 1.0).shape, bool(np.array_equal(piece(4, 1.0), piece(4, 1.0)))
    ((16000,), True)
    """
    rng = np.random.default_rng([77, seed])
    music = _Piece(rng, seconds)
    kinds = ("plucked", "held", "bell")
    sung = seed % 3 == 0
    lead = "sung" if sung else str(rng.choice(kinds))
    music.melody(lead, 1.0)
    if sung and rng.random() < 0.4:
        music.melody("sung", 0.7)
    if not (sung and rng.random() < 0.4):  # some sing alone
        backing = float(rng.uniform(0.05, 0.4))
        if rng.random() < 0.7:
            music.chords(str(rng.choice(kinds)), backing)
        if rng.random() < 0.5:
            music.bass(backing)
        if rng.random() < 0.5:
            music.drums(float(rng.uniform(0.1, 0.8)))
        if rng.random() < 0.3:
            music.melody(str(rng.choice(kinds)), 0.5)
    echo = int(RATE * rng.uniform(0.03, 0.2))
    out = music.out
    out[echo:] += rng.uniform(0, 0.4) * out[:-echo]
    out += 10 ** rng.uniform(-5, -3) * np.abs(out).max() * rng.normal(size=len(out))
    return np.asarray(0.5 * out / max(1e-9, np.abs(out).max()), np.float32)
