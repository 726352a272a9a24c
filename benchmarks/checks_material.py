"""Recordings with known flaws, made from real speech, noise and music, for the measurements of the checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from emotrace.training.corpora import Clip, emotional_clips, non_speech_clips, read_clip
from emotrace.training.sounds import CLEAN, SPEECH_CORPORA, active, powers

RATE = 16_000
WINDOW = 3 * RATE
BACKGROUNDS = ("rain", "sea_waves", "fire_crackling", "helicopter", "chainsaw")
"""Sounds of ESC-10 that go on; the others (barks, cries, crows, sneezes, ticks) come and go."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """Sounds of one split.

    Attributes:
        speech: clips by corpus, then by speaker.
        bursts: clips by speaker.
        noises: name of the kind, and the sound.
        music: name of the piece, and the sound.
    """

    speech: dict[str, dict[str, list[Clip]]]
    bursts: dict[str, list[Clip]]
    noises: list[tuple[str, Sound]]
    music: list[tuple[str, Sound]]


class Maker:
    """Makes recordings; the same seed makes the same ones.

    Args:
        data: folder of the corpora.
        split: ``"validation"`` or ``"test"``, of the speakers.
        seed: of all random choices.
    """

    def __init__(self, data: Path, split: str, seed: int = 0) -> None:
        self.data, self.rng = data, np.random.default_rng(seed)
        self.material = self._material(split)

    def _material(self, split: str) -> Material:
        speech: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
        for clip in emotional_clips(self.data):
            if clip.split == split:
                speech[clip.corpus][clip.speaker].append(clip)
        noises, music = [], []
        for clip in non_speech_clips(self.data):
            held_out = (
                clip.split == "test" if split == "test" else "__2-" in clip.path or "hungarian" in clip.path
            )
            if not held_out:
                continue
            name = clip.path.rsplit("/", 1)[-1]
            if "_-_" in name and name[:3].isdigit():
                noises.append((name.split("_-_")[1].split("__")[0], read_clip(self.data, clip)))
            else:
                music.append((name, read_clip(self.data, clip)))
        return Material({c: dict(speech[c]) for c in SPEECH_CORPORA}, dict(speech["emogator"]), noises, music)

    def pick(self, clips: list[Clip]) -> Sound:
        """One of the clips."""
        return read_clip(self.data, clips[self.rng.integers(len(clips))])

    def talk(self, voices: list[list[Clip]], turns: int) -> Sound:
        """Turns of the voices, by turns at first, then as it comes, with short pauses."""
        parts = []
        for i in range(turns):
            who = i if i < len(voices) else int(self.rng.integers(len(voices)))
            parts += [self.pick(voices[who]), np.zeros(int(RATE * self.rng.uniform(0.1, 0.7)), np.float32)]
        return np.concatenate(parts)

    def voices(self, corpus: str, count: int = 1) -> list[list[Clip]]:
        """Clips of so many different speakers of a corpus."""
        speakers = self.material.speech[corpus]
        names = sorted(speakers)
        return [speakers[names[i]] for i in self.rng.permutation(len(names))[:count]]

    def window(self, clips: list[Clip]) -> Sound:
        """Three seconds from the middle of clips of one speaker, one after the other."""
        sound = np.zeros(0, np.float32)
        while len(sound) < WINDOW:
            sound = np.concatenate([sound, self.pick(clips)])
        first = int(self.rng.integers(0, len(sound) - WINDOW + 1))
        return sound[first : first + WINDOW]

    def noisy(self, speech: Sound, noise: Sound, snr_db: float) -> Sound:
        """Speech with a noise that is so far under the mean level of its active frames, over the whole."""
        noise = np.tile(noise, -(-len(speech) // len(noise)))[: len(speech)]
        power = powers(speech)
        level = float(power[active(power)].sum(axis=1).mean())
        gain = np.sqrt(
            level / 10 ** (snr_db / 10) / max(1e-12, float(np.mean(noise.astype(np.float64) ** 2)))
        )
        return np.asarray(speech + gain * noise, np.float32)

    def background(self, kinds: tuple[str, ...] = BACKGROUNDS) -> tuple[str, Sound]:
        """A noise of one of the kinds that is not nearly empty."""
        names = [n for n in self.material.noises if n[0] in kinds and np.abs(n[1]).max() > 1e-3]
        return names[self.rng.integers(len(names))]

    def clean_corpora(self) -> Iterator[str]:
        """Corpora recorded quietly enough to know the SNR of a mix, again and again."""
        while True:
            yield from CLEAN


def telephone(sound: Sound) -> Sound:
    """Through a telephone's 8 kHz and back."""
    return np.asarray(soxr.resample(soxr.resample(sound, RATE, 8000), 8000, RATE), np.float32)


def pieces(sound: Sound) -> list[Sound]:
    """Windows of three seconds, one after the other, that are not silent."""
    cuts = [sound[i : i + WINDOW] for i in range(0, len(sound) - WINDOW + 1, WINDOW)]
    return [cut for cut in cuts if np.abs(cut).max() > 1e-3]
