"""Recordings with known changes of emotion: real utterances of one speaker, joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotrace.recognition import Recognizer
from emotrace.results import Array, SpeakerReference
from emotrace.timing import SAMPLING_RATE, samples_to_seconds
from emotrace.training.corpora import JUDGED, Clip, emotional_clips, read_clip
from emotrace.training.protocol import trim

REFERENCE_CLIPS = 10


@dataclass(frozen=True)
class Stitched:
    """Two to four utterances of one speaker, each of another emotion, one after the other.

    Attributes:
        clips: the utterances.
        parts: their samples, float32 (n,) each, cut to what is within 35 dB of the loudest 20 ms.
        reference: other clips of the speaker, to compare with.
    """

    clips: Sequence[Clip]
    parts: Sequence[Array]
    reference: Sequence[Clip]

    @property
    def samples(self) -> Array:
        """The whole recording, float32 (n,), 16 kHz."""
        return np.concatenate(self.parts)

    @property
    def ends(self) -> list[float]:
        """End of each utterance in seconds; all but the last are the changes."""
        return [samples_to_seconds(end) for end in accumulate(len(part) for part in self.parts)]

    def truth(self, times: NDArray[np.floating]) -> NDArray[np.int64]:
        """The label at some times, in seconds, (n,)."""
        part = np.searchsorted(self.ends[:-1], times, side="right")
        return np.array([clip.label for clip in self.clips])[part]


def stitched(data: Path, split: str, count: int, seed: int = 0) -> Iterator[Stitched]:
    """Recordings from one split, speaker by speaker in turn.

    Args:
        data: folder of the corpora.
        split: ``"validation"`` to tune on, ``"test"`` for the report.
        count: how many.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    by_speaker: dict[str, list[Clip]] = {}
    for clip in emotional_clips(data, JUDGED):
        if clip.split == split:
            by_speaker.setdefault(clip.speaker, []).append(clip)
    speakers = sorted(by_speaker)
    for i in range(count):
        clips = by_speaker[speakers[i % len(speakers)]]
        labels = rng.permutation(sorted({clip.label for clip in clips}))[: rng.integers(2, 5)]
        chosen = []
        for label in labels:
            of_label = [clip for clip in clips if clip.label == label]
            chosen.append(of_label[rng.integers(len(of_label))])
        others = [clip for clip in clips if clip not in chosen]
        picked = rng.choice(len(others), min(REFERENCE_CLIPS, len(others)), replace=False)
        parts = [trim(read_clip(data, clip)) for clip in chosen]
        yield Stitched(chosen, parts, [others[k] for k in picked])


def frame_truth(recording: Stitched, times: NDArray[np.floating], hop: float) -> NDArray[np.int64]:
    """The label at the middle of each step of a track, (n,)."""
    return recording.truth(np.asarray(times, np.float64) + hop / 2)


def speaker_reference(recognizer: Recognizer, data: Path, recording: Stitched) -> SpeakerReference:
    """How the speaker sounds in the other clips."""
    return recognizer.reference([(read_clip(data, clip), SAMPLING_RATE) for clip in recording.reference])
