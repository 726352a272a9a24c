"""Windows of sound, mixed at random, for the network that tells speech, voices, music and noise apart.

Everything happens on power in mel bands, where sounds add: speakers' clips are joined with pauses, noise
comes on top at a known ratio, and rooms, lines and microphones filter both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.audio.spectrum import FRAMES_PER_SECOND, WINDOW, Spectra
from emotrace.segmentation.bands import BANDS, log_bands
from emotrace.segmentation.content import KINDS
from emotrace.training.corpora import Clip, all_clips, read_clip
from emotrace.training.music import piece

SPEECH, VOICE, MUSIC, NOISE = range(len(KINDS))
SPEECH_CORPORA = ("emodb", "ravdess", "nemo", "selvas", "emospeech")
CLEAN = ("emodb", "ravdess", "nemo", "selvas")
"""Corpora that were recorded quietly enough to know the ratio to an added noise."""

BURSTS = 1500
PIECES = 240
ACTIVE_DB = 25.0
"""Frames of a clip this far under its loudest twentieth, and louder, are active speech."""

SNR_RANGE = (-5.0, 45.0)

Power = NDArray[np.float32]


def powers(samples: NDArray[np.float32]) -> Power:
    """Power in mel bands, float32 (frames, 80); at least one frame."""
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    return np.exp(log_bands(Spectra().feed(padded)))


def active(power: Power) -> NDArray[np.bool_]:
    """Which frames (frames, 80) of a clip without other sound are active; gaps under 0.2 s are closed."""
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    loud = level > np.percentile(level, 95) - ACTIVE_DB
    where = np.flatnonzero(loud)
    for first, last in pairwise(where.tolist()):
        if last - first <= 0.2 * FRAMES_PER_SECOND:
            loud[first:last] = True
    return np.asarray(loud)


@dataclass
class Shelf:
    """Sounds of one kind, by who or what makes them.

    Attributes:
        sources: for each source, its sounds; float16 log power (frames, 80).
        groups: sources by corpus, each drawn as often as any other.
    """

    sources: dict[str, list[NDArray[np.float16]]]
    groups: dict[str, list[str]]

    def draw(self, rng: np.random.Generator, among: Sequence[str] | None = None) -> tuple[str, list[Power]]:
        """A source's corpus, and its sounds in random order, few of them."""
        names = sorted(among or self.groups)
        corpus = names[rng.integers(len(names))]
        source = self.groups[corpus][rng.integers(len(self.groups[corpus]))]
        sounds = self.sources[source]
        order = rng.permutation(len(sounds))[:8]
        return corpus, [np.exp(sounds[i].astype(np.float32)) for i in order]


@dataclass(frozen=True)
class Example:
    """One window.

    Attributes:
        power: float32 (frames, 80).
        kind: index into the kinds; -1 if nobody could tell.
        snr_db: of the speech in it; NaN if there is none or it is not known.
    """

    power: Power
    kind: int
    snr_db: float


class Mixer:
    """Makes windows from shelves, one per kind."""

    def __init__(self, shelves: dict[int, Shelf], rng: np.random.Generator) -> None:
        self._shelves = shelves
        self._rng = rng

    def example(self, frames: int) -> Example:
        """A window of so many frames."""
        rng = self._rng
        kind = int(rng.choice([SPEECH, VOICE, MUSIC, NOISE], p=[0.45, 0.08, 0.25, 0.22]))
        if kind == SPEECH:
            return self._spoken(frames)
        sound = self._stretch(self._shelves[kind], frames, gaps=kind == VOICE)
        other = np.zeros_like(sound)
        if rng.random() < 0.5:
            other = self.background(NOISE, frames) * _ratio(sound, rng.uniform(8, 45))
        if kind == NOISE and rng.random() < 0.3:
            other = self.background(NOISE, frames) * _ratio(sound, rng.uniform(-5, 30))
        gain = self.channel()
        return Example(self._floor(self._echo(sound + other) * gain), kind, np.nan)

    def _spoken(self, frames: int) -> Example:
        rng = self._rng
        known = rng.random() < 0.75
        groups = [c for c in self._shelves[SPEECH].groups if c in CLEAN] if known else None
        speech = self._stretch(self._shelves[SPEECH], frames, gaps=True, among=groups)
        speech = self._echo(speech)
        snr = rng.uniform(*SNR_RANGE) if rng.random() < 0.9 else 60.0
        musical = rng.random() < 0.2
        noise = self.background(MUSIC if musical else NOISE, frames) * _ratio(speech, snr)
        gain = self.channel()
        speech, noise = speech * gain, noise * gain
        spoken = active(speech)
        true = 10 * np.log10((speech[spoken].sum(1).mean() + 1e-12) / (noise.sum(1).mean() + 1e-12))
        mixed = self._floor(speech + noise)
        told = snr >= (8 if musical else 2) and spoken.mean() > 0.15
        return Example(mixed, SPEECH if told else -1, float(np.clip(true, *SNR_RANGE)) if known else np.nan)

    def background(self, kind: int, frames: int) -> Power:
        """A background, its mean power 1."""
        sound = self._stretch(self._shelves[kind], frames, gaps=False)
        return sound / np.float32(max(sound.sum(1).mean(), 1e-9))

    def _stretch(self, shelf: Shelf, frames: int, gaps: bool, among: Sequence[str] | None = None) -> Power:
        """Sounds of one source, one after the other, from somewhere on."""
        rng = self._rng
        _, sounds = shelf.draw(rng, among)
        shift = int(rng.integers(-1, 2)) if gaps else int(rng.integers(-3, 4))
        parts: list[Power] = []
        length = 0
        need = frames + (int(rng.integers(0, min(frames, len(sounds[0])))) if len(sounds[0]) > 25 else 0)
        while length < need:
            for sound in sounds:
                parts.append(sound)
                length += len(sound)
                if gaps and rng.random() < 0.5:
                    pause = int(rng.integers(1, 60))
                    quiet = np.quantile(sound.sum(1), 0.05) / BANDS
                    parts.append(np.full((pause, BANDS), quiet, np.float32) * _crackle(rng, pause))
                    length += pause
                if length >= need:
                    break
        joined = np.concatenate(parts)
        first = need - frames
        out = np.roll(joined[first:need], shift, axis=1)
        if shift > 0:
            out[:, :shift] = out[:, shift : shift + 1]
        elif shift < 0:
            out[:, shift:] = out[:, shift - 1 : shift]
        return out / np.float32(max(out.sum(1).max(), 1e-9))

    def _echo(self, power: Power) -> Power:
        rng = self._rng
        if rng.random() > 0.35:
            return power
        decay = np.float32(np.exp(-13.8 / (rng.uniform(0.15, 0.9) * FRAMES_PER_SECOND)))
        tail = np.zeros_like(power)
        state = np.zeros(BANDS, np.float32)
        for i, row in enumerate(power):
            tail[i] = state
            state = decay * (state + row * (1 - decay))
        return power + tail * np.float32(10 ** (-rng.uniform(0, 12) / 10))

    def channel(self) -> NDArray[np.float32]:
        """Gain of a microphone and a line in each band, float32 (80,)."""
        rng = self._rng
        axis = np.pi * np.arange(BANDS) / BANDS
        curve = sum(rng.normal() * s * np.cos(k * axis) for k, s in ((1, 3.0), (2, 2.5), (3, 2.0), (4, 1.5)))
        gain = 10 ** (np.asarray(curve) / 10)
        chosen = rng.random()
        if chosen < 0.2:  # a telephone: 300 to 3400 Hz
            low, high = rng.integers(5, 12), rng.integers(49, 55)
            gain[:low] *= 10 ** (-np.arange(low, 0, -1) * rng.uniform(0.2, 0.8))
            gain[high:] *= 10 ** -rng.uniform(5, 9)
        elif chosen < 0.35:  # a codec's or a microphone's upper limit
            gain[rng.integers(45, BANDS) :] *= 10 ** -rng.uniform(2, 9)
        return gain.astype(np.float32)

    def _floor(self, power: Power) -> Power:
        rng = self._rng
        floor = 10 ** rng.uniform(-10, -5.5) / BANDS * float(power.sum(1).max())
        return (power + np.float32(floor) * _crackle(rng, len(power))).astype(np.float32)


def _crackle(rng: np.random.Generator, frames: int) -> NDArray[np.float32]:
    """How the power of steady noise scatters, float32 (frames, 80), mean 1."""
    return rng.gamma(2.0, 0.5, size=(frames, BANDS)).astype(np.float32)


def _ratio(sound: Power, snr_db: float) -> np.float32:
    """Factor that brings a background of mean power 1 so far under a sound's active frames."""
    level = sound[active(sound)].sum(1).mean()
    return np.float32(level / 10 ** (snr_db / 10))


def _rows(data: Path, held_out: Iterable[str]) -> list[tuple[int, Clip]]:
    words = tuple(held_out)
    rng = np.random.default_rng(0)
    table: list[tuple[int, Clip]] = []
    bursts = []
    for clip in all_clips(data):
        if clip.split != "train" or any(word in clip.path for word in words):
            continue
        name = clip.path.rsplit("/", 1)[-1]
        if clip.corpus == "emogator":
            bursts.append((VOICE, clip))
        elif clip.corpus in SPEECH_CORPORA:
            table.append((SPEECH, clip))
        elif clip.corpus == "synthetic":
            table.append((MUSIC if name.startswith("melody") else NOISE, clip))
        else:
            table.append(
                (NOISE if (name[:3].isdigit() and "_-_" in name) or "humpback" in name else MUSIC, clip)
            )
    chosen = rng.choice(len(bursts), min(BURSTS, len(bursts)), replace=False)
    return table + [bursts[i] for i in sorted(chosen)]


def read_shelves(data: Path, held_out: Iterable[str] = ()) -> dict[int, Shelf]:
    """All sounds to train with, one shelf for each kind.

    Args:
        data: see :func:`emotrace.training.corpora.emotional_clips`.
        held_out: paths that hold one of these words are left out.
    """
    sources: dict[int, dict[str, list[NDArray[np.float16]]]] = defaultdict(lambda: defaultdict(list))
    groups: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def put(kind: int, corpus: str, source: str, samples: NDArray[np.float32]) -> None:
        logs = np.log(powers(samples))
        if float(logs.max()) > np.log(1e-9):
            sources[kind][source].append(logs.astype(np.float16))
            groups[kind][corpus].add(source)

    for kind, clip in _rows(data, held_out):
        put(kind, clip.corpus, clip.speaker, read_clip(data, clip))
    for seed in range(PIECES):
        put(MUSIC, "sung" if seed % 3 == 0 else "played", f"piece-{seed}", piece(seed))
    return {
        kind: Shelf(dict(sources[kind]), {c: sorted(names) for c, names in groups[kind].items()})
        for kind in sources
    }
