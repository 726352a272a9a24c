"""Sound, and what can be told about it without an emotion model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signal:
    """One channel of sound and its sampling rate.

    Attributes:
        samples: float32 (n,), nominal range -1 to 1.
        sampling_rate: in Hz.

    >>> Signal(np.zeros(8000, np.float32), 16000).duration
    0.5
    """

    samples: Array
    sampling_rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True, slots=True)
class SignalMeasures:
    """What a signal is like, as numbers without a verdict.

    Attributes:
        duration: seconds.
        level_db: root mean square in dB relative to full scale (a full-scale square wave is 0);
            -inf for digital silence.
        peak_db: largest absolute sample in dB relative to full scale; -inf for digital silence.
        clipping_share: share of samples, 0 to 1, that lie in runs of two or more that reach 0.985 of
            full scale and differ by at most 1e-4; counted before resampling where that is possible.
        dc_offset: mean of the samples, -1 to 1.
        silence_share: share of 20 ms frames, 0 to 1, with a level under -60 dB.
    """

    duration: float
    level_db: float
    peak_db: float
    clipping_share: float
    dc_offset: float
    silence_share: float


@dataclass(frozen=True, slots=True)
class SignalQuality:
    """What can be told about a recording without the emotion model, as numbers without a verdict.

    Attributes:
        measures: duration, level, clipping, offset and silence.
        bandwidth_hz: highest frequency that carries speech energy, at most half the sampling rate; a
            telephone's is about 3400 to 4000; NaN for digital silence.
        snr_db: level of the active speech over the level of the noise, in dB; NaN if it cannot be told
            because there is too little speech; right for noise that goes on, rough for single events.
        speech_share: share of the recording's duration in which somebody speaks, 0 to 1.
        speech_seconds: how much speech that is, in seconds.
        music_share: share of the recording's duration that is music, singing included, 0 to 1.
        noise_share: share of the recording's duration that is sound but neither speech nor music, 0 to 1.
        content: what most of the sound is: ``"speech"``, ``"music"``, ``"noise"`` or ``"silence"``.
        several_speakers: score that more than one person speaks, 0 to 1; NaN if there is too little
            speech to tell, or only a telephone's band.
    """

    measures: SignalMeasures
    bandwidth_hz: float
    snr_db: float
    speech_share: float
    speech_seconds: float
    music_share: float
    noise_share: float
    content: str
    several_speakers: float
