"""What is heard in each second of a stream, from windows of three seconds around it."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

import numpy as np

from emotrace.audio.spectrum import FRAMES_PER_SECOND
from emotrace.results import Array
from emotrace.segmentation.bands import BANDS
from emotrace.segmentation.content import FEWEST_FRAMES, KINDS, hear

WINDOW_FRAMES = round(3.0 * FRAMES_PER_SECOND)
STEP_FRAMES = round(1.0 * FRAMES_PER_SECOND)
SPOKEN = 0.5
"""Probability of speech from which a frame counts as active speech."""

UNSPOKEN = 0.15
"""Probability of speech under which a frame counts as a pause."""

NEAR_FRAMES = 3
"""Frames beside speech that belong to no pause."""

FEWEST_SPOKEN = 10
"""Active frames, a fifth of a second, without which a window says nothing about the SNR."""

FEWEST_PAUSED = 15
"""Frames of pauses, 0.3 s, that tell the noise."""

LOUD_DB = 15.0
"""In a window of speech in which voice activity finds none (it misses shouts in noise), frames that lie at
most so far under the loudest twentieth are the speech."""

QUIET_PAUSES_DB = 8.0
"""If the pauses tell an SNR so far over the one that the network hears, the noise comes and goes, and the
network is nearer."""

LOUD_PAUSES_DB = 15.0
"""If they tell one so far under it, they are likely to hold speech that voice activity missed. Between the
two limits the mean of both is better than either."""


@dataclass(frozen=True, slots=True, eq=False)
class Seconds:
    """What was heard, piece by piece of about a second.

    Attributes:
        frames: int (n,), length of each piece in frames of 20 ms.
        power: float64 (n,), mean power of each piece.
        kinds: float32 (n, 4), probability of each of :data:`emotrace.segmentation.content.KINDS`.
        voiced: float32 (n,), mean probability of speech in the window, by voice activity.
    """

    frames: Array
    power: Array
    kinds: Array
    voiced: Array


class Windows:
    """Hears a stream in windows of 3 s, one each second; each window speaks for its middle second.

    The first also speaks for what is before its middle, the last for what is after it. A stream under 3 s is
    one window; under a third of a second it is heard again and again, and nothing is said about its SNR.
    """

    def __init__(self) -> None:
        self._bands: Array = np.zeros((0, BANDS), np.float32)
        self._speech: Array = np.zeros(0, np.float32)
        self._told = 0  # frames that a window has spoken for, from the first that is kept
        self._rows = array("f")  # a window each; as objects, hours of them would be megabytes
        self._snr = _SnrMeter()

    def feed(self, bands: Array, speech: Array) -> None:
        """Take in frames.

        Args:
            bands: float32 (n, 80), log power, see :func:`emotrace.segmentation.bands.log_bands`.
            speech: float32 (n,), probability of speech in each, by voice activity.
        """
        self._bands = np.concatenate([self._bands, bands])
        self._speech = np.concatenate([self._speech, speech])
        while len(self._bands) >= WINDOW_FRAMES + STEP_FRAMES:  # one more, so that the last can be longer
            self._hear(WINDOW_FRAMES, (WINDOW_FRAMES + STEP_FRAMES) // 2)
            self._bands, self._speech = self._bands[STEP_FRAMES:], self._speech[STEP_FRAMES:]
            self._told -= STEP_FRAMES

    def finish(self) -> None:
        """The stream has ended."""
        if len(self._bands) > WINDOW_FRAMES:
            self._hear(WINDOW_FRAMES, (WINDOW_FRAMES + STEP_FRAMES) // 2)
            cut = len(self._bands) - WINDOW_FRAMES
            self._bands, self._speech = self._bands[cut:], self._speech[cut:]
            self._told -= cut
        if self._told < len(self._bands):
            self._hear(len(self._bands), len(self._bands))

    @property
    def seconds(self) -> Seconds:
        """What was heard so far."""
        rows = np.array(self._rows, np.float32).reshape(-1, 3 + len(KINDS))
        return Seconds(rows[:, 0], rows[:, 1], rows[:, 3:], rows[:, 2])

    @property
    def snr_db(self) -> float:
        """Level of the active speech over the noise so far; NaN under a fifth of a second of speech."""
        return self._snr.result()

    def _hear(self, frames: int, until: int) -> None:
        """Hear the first frames; the window speaks for those up to ``until`` that no other has spoken for."""
        bands, speech = self._bands[:frames], self._speech[:frames]
        heard = hear(np.resize(bands, (max(frames, FEWEST_FRAMES), BANDS))[None])  # what is shorter, repeated
        power = np.exp(bands.astype(np.float64)).sum(axis=1)
        told = power[self._told : until]
        self._rows.extend([len(told), told.mean(), speech.mean(), *heard.kinds[0]])
        if frames >= FEWEST_FRAMES:
            kind = KINDS[int(heard.kinds[0].argmax())]
            self._snr.hear(power, speech, float(heard.snr_db[0]), kind, self._told, until)
        self._told = until


class _SnrMeter:
    """SNR from windows, in two ways whose errors differ.

    The network tells the ratio in each window, also without a pause. The pauses tell the noise as it is, but
    only if there are some, and if voice activity finds all the speech.
    """

    def __init__(self) -> None:
        self._active = 0
        self._speech_energy = 0.0
        self._noise_energy = 0.0
        self._loud: tuple[int, float] = (0, 0.0)  # active frames that were told, and their energy
        self._paused: tuple[int, float] = (0, 0.0)

    def hear(self, power: Array, speech: Array, snr_db: float, kind: str, first: int, until: int) -> None:
        """Take in a window, of which the frames from ``first`` to ``until`` were in none before."""
        active = speech >= SPOKEN
        if kind == "speech" and active.sum() < FEWEST_SPOKEN:
            active = power > np.percentile(power, 95) / 10 ** (LOUD_DB / 10)
        count = int(active.sum())
        if count < FEWEST_SPOKEN:
            active = np.zeros(len(power), bool)
        else:
            ratio = 10 ** (snr_db / 10)
            energy = float(power[active].sum())
            self._active += count
            self._speech_energy += energy * ratio / (1 + ratio)
            self._noise_energy += energy / (1 + ratio)
        near = np.convolve((speech >= UNSPOKEN) | active, np.ones(2 * NEAR_FRAMES + 1), "same") > 0.5
        told = slice(first, until)
        self._loud = _added(self._loud, power[told][active[told]])
        self._paused = _added(self._paused, power[told][~near[told]])

    def result(self) -> float:
        """The SNR in dB; NaN if there was too little speech."""
        if not self._active:
            return math.nan
        heard = 10 * math.log10(self._speech_energy / self._noise_energy)
        over = self._by_pauses() - heard
        return heard + over / 2 if -LOUD_PAUSES_DB < over < QUIET_PAUSES_DB else heard

    def _by_pauses(self) -> float:
        (active, energy), (paused, noise) = self._loud, self._paused
        if paused < FEWEST_PAUSED or not active or noise <= 0 or energy / active <= noise / paused:
            return math.nan
        return 10 * math.log10(energy / active / (noise / paused) - 1)


def _added(total: tuple[int, float], power: Array) -> tuple[int, float]:
    return total[0] + len(power), total[1] + float(power.sum())
