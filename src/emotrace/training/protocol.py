"""The compact model's report: every figure that its card states, measured through the packaged model.

Everything goes through :class:`emotrace.Recognizer` and real waveforms, as a user's recording would. The
split is an argument so that the protocol itself can be tried on ``validation``; ``test`` is opened once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from emotrace.evaluation.metrics import (
    expected_calibration_error,
    interval_by_speaker,
    unweighted_average_recall,
)
from emotrace.labels import LABELS
from emotrace.recognition import Recognizer
from emotrace.recognition.references import RunningReference
from emotrace.results import Array, Recognition, SpeakerReference
from emotrace.training.corpora import JUDGED, OTHERS, Clip, all_clips, read_clip

UNKNOWN = LABELS.index("unknown")
RATE = 16_000


@dataclass(frozen=True)
class Answers:
    """Probabilities (n, 9) for clips (n)."""

    clips: Sequence[Clip]
    probabilities: NDArray[np.float64]

    @property
    def truth(self) -> NDArray[np.int64]:
        """(n,) true classes."""
        return np.array([c.label for c in self.clips])

    @property
    def guess(self) -> NDArray[np.int64]:
        """(n,) likeliest classes."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    def recall(self, corpus: str, where: NDArray[np.int64] | None = None) -> float:
        """Unweighted average recall of one corpus, argmax over all nine labels."""
        index = np.arange(len(self.clips)) if where is None else where
        names = np.array([c.corpus for c in self.clips])
        index = index[names[index] == corpus]
        return unweighted_average_recall(self.truth[index], self.guess[index])

    def mean_recall(self, where: NDArray[np.int64] | None = None) -> float:
        """Mean recall of the three judged corpora."""
        return float(np.mean([self.recall(c, where) for c in JUDGED]))


def telephone_band(samples: Array) -> Array:
    """300 to 3400 Hz, by way of 8 kHz: what a telephone line leaves of 16 kHz samples (n,)."""
    from scipy.signal import butter, sosfilt

    narrow = soxr.resample(samples, RATE, 8000)
    band = butter(4, [300, 3400], "bandpass", fs=8000, output="sos")
    return np.asarray(soxr.resample(sosfilt(band, narrow), 8000, RATE), np.float32)


def with_noise(samples: Array, noise: Array, snr_db: float) -> Array:
    """Speech (n,) with noise, repeated or cut, at a ratio in dB; both count over their whole length."""
    noise = np.resize(noise, len(samples))
    gain = np.sqrt(np.mean(samples**2) / (np.mean(noise**2) + 1e-12)) * 10 ** (-snr_db / 20)
    return np.asarray(samples + gain * noise, np.float32)


def unknown_bias(probabilities: NDArray[np.float64], share: float = 0.01) -> float:
    """What to add to the logit of ``unknown`` so that this share of noisy speech is called so.

    In steps of 0.1.

    Args:
        probabilities: (n, 9), of speech in noise, at temperature 1.
        share: of the clips.
    """
    logits = np.log(np.maximum(probabilities, 1e-12))
    margin = logits[:, UNKNOWN] - np.delete(logits, UNKNOWN, 1).max(1)
    return max(0.0, float(np.floor(-np.quantile(margin, 1 - share) * 10) / 10))


def half_temperature(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """The temperature that takes back half of the overconfidence, in steps of 0.05.

    Half, because the few speakers it is fitted on say little about others: in full it can turn as much
    overconfidence into underconfidence.

    Args:
        probabilities: (n, 9), at temperature 1.
        truth: (n,) true classes.
    """
    confidence = probabilities.max(1).mean()
    target = (confidence + np.mean(probabilities.argmax(1) == truth)) / 2
    logits = np.log(np.maximum(probabilities, 1e-12))

    def gap(temperature: float) -> float:
        scaled = np.exp(logits / temperature)
        return abs(float((scaled.max(1) / scaled.sum(1)).mean() - target))

    return float(min(np.round(np.arange(0.5, 3.0, 0.05), 2), key=gap))


class Protocol:
    """Runs the recognizer over one split.

    Args:
        data: folder of the corpora.
        split: ``"validation"`` or ``"test"``.
        recognizer: what is judged.
        report: gets a line now and then.
        pairs: how many pairs of utterances are joined for emotion over time.
    """

    def __init__(
        self,
        data: Path,
        split: str,
        recognizer: Recognizer,
        report: Callable[[str], None],
        pairs: int = 300,
    ) -> None:
        self.data, self.recognizer, self.report, self.pairs = data, recognizer, report, pairs
        clips = [c for c in all_clips(data) if c.split == split]
        self.speech = [c for c in clips if c.corpus in JUDGED]
        self.others = [c for c in clips if c.corpus in OTHERS]
        # Non-speech has no validation part: its held-out recordings are for the test alone.
        self.sounds = [c for c in clips if c.corpus == "non_speech"]
        self.waveforms = {c: read_clip(data, c) for c in [*self.speech, *self.others, *self.sounds]}

    def recognise(
        self, samples: Array, reference: SpeakerReference | None = None, **options: Any
    ) -> Recognition:
        """One waveform at 16 kHz."""
        return self.recognizer.recognize((samples, RATE), reference=reference, **options)

    def answers(
        self,
        clips: Sequence[Clip],
        change: Callable[[Array, int], Array] = lambda samples, _: samples,
        reference_clips: int = 0,
        seed: int = 0,
    ) -> Answers:
        """Recognise clips, each changed first; with ``reference_clips`` other clips of the speaker.

        Reference clips go through the same change: one speaker's recordings share line and room.
        """
        rng = np.random.default_rng(seed)
        by_speaker: dict[str, list[int]] = {}
        for i, clip in enumerate(clips):
            by_speaker.setdefault(clip.speaker, []).append(i)
        waveforms = [change(self.waveforms[clip], i) for i, clip in enumerate(clips)]
        parts: dict[int, SpeakerReference] = {}
        rows = []
        for i, clip in enumerate(clips):
            reference = None
            others = [j for j in by_speaker[clip.speaker] if j != i]
            if reference_clips and others:
                chosen = rng.choice(others, min(reference_clips, len(others)), replace=False)
                for j in chosen:
                    if j not in parts:
                        parts[j] = self.recognizer.reference([(waveforms[j], RATE)])
                card = self.recognizer.card
                running = RunningReference(card.reference_size, card.name, enough=0.0)
                for j in chosen:
                    running.add(parts[j].spectrum, parts[j].seconds)
                reference = running.get()
            result = self.recognise(waveforms[i], reference)
            rows.append([result.scores[label] for label in LABELS])
        return Answers(clips, np.array(rows))

    @cached_property
    def _noises(self) -> list[Array]:
        """A sound for each judged clip: held-out ones, or trained ones where there are none."""
        sounds = [self.waveforms[c] for c in self.sounds]
        if not sounds:
            trained = [c for c in all_clips(self.data) if c.corpus == "non_speech" and c.split == "train"]
            sounds = [read_clip(self.data, c) for c in trained[::5]]
        choice = np.random.default_rng(1).integers(len(sounds), size=len(self.speech))
        return [sounds[i] for i in choice]

    def noisy(self, samples: Array, index: int) -> Array:
        """A clip of the judged corpora with its sound at 10 dB."""
        return with_noise(samples, self._noises[index], 10)

    def run(self) -> dict[str, Any]:
        """All figures."""
        out: dict[str, Any] = {"clips": len(self.speech)}
        alone = self.answers(self.speech)
        self.report(f"clip alone: {alone.mean_recall():.3f}")
        with_reference = self.answers(self.speech, reference_clips=10)
        self.report(f"with reference: {with_reference.mean_recall():.3f}")
        for name, answers in (("clip_alone", alone), ("with_reference", with_reference)):
            out[name] = self._summary(answers)
        changes: dict[str, Callable[[Array, int], Array]] = {
            "plus_20_db": lambda x, _: x * np.float32(10),
            "minus_20_db": lambda x, _: x * np.float32(0.1),
            "telephone": lambda x, _: telephone_band(x),
            "noise_10_db": self.noisy,
        }
        for name, change in changes.items():
            a = self.answers(self.speech, change)
            b = self.answers(self.speech, change, reference_clips=10)
            out[name] = {
                "clip_alone": a.mean_recall(),
                "with_reference": b.mean_recall(),
                "clip_alone_cost": alone.mean_recall() - a.mean_recall(),
                "with_reference_cost": with_reference.mean_recall() - b.mean_recall(),
            }
            self.report(f"{name}: {out[name]}")
        if self.sounds:
            sounds = self.answers(self.sounds)
            out["unknown_recall_non_speech"] = float(np.mean(sounds.guess == UNKNOWN))
            out["non_speech_clips"] = len(self.sounds)
        others = self.answers(self.others)
        out["other_corpora_clip_alone"] = {c: others.recall(c) for c in OTHERS}
        out["stitched"] = self.stitched(self.pairs)
        return out

    def _summary(self, answers: Answers) -> dict[str, Any]:
        speakers = [c.speaker for c in answers.clips]
        strata = [c.corpus for c in answers.clips]
        confidence = answers.probabilities.max(1)
        return {
            "mean_recall": answers.mean_recall(),
            "interval_by_speaker": interval_by_speaker(answers.mean_recall, speakers, strata),
            "recall": {c: answers.recall(c) for c in JUDGED},
            "accuracy": float(np.mean(answers.guess == answers.truth)),
            "speech_called_unknown": float(np.mean(answers.guess == UNKNOWN)),
            "expected_calibration_error": expected_calibration_error(
                confidence, answers.guess == answers.truth
            ),
        }

    def stitched(self, count: int, seed: int = 2) -> dict[str, float]:
        """Frame accuracy on two utterances of one speaker with different emotions, joined.

        Each utterance is cut to the part between its first and last frame within 35 dB of its loudest. Once
        without and once with a reference of ten other clips of the speaker.
        """
        rng = np.random.default_rng(seed)
        by_speaker: dict[str, list[Clip]] = {}
        for clip in self.speech:
            by_speaker.setdefault(clip.speaker, []).append(clip)
        speakers = sorted(by_speaker)
        right = np.zeros(2)
        total = still = 0
        for i in range(count):
            clips = by_speaker[speakers[i % len(speakers)]]
            first = clips[rng.integers(len(clips))]
            rest = [c for c in clips if c.label != first.label]
            second = rest[rng.integers(len(rest))]
            others = [c for c in clips if c not in (first, second)]
            chosen = rng.choice(len(others), min(10, len(others)), replace=False)
            reference = self.recognizer.reference([(self.waveforms[others[k]], RATE) for k in chosen])
            a, b = trim(self.waveforms[first]), trim(self.waveforms[second])
            for column, given in enumerate((None, reference)):
                track = self.recognise(np.concatenate([a, b]), given, frames=True).track
                assert track is not None
                middle = track.times + track.hop / 2
                truth = np.where(middle < len(a) / RATE, first.label, second.label)
                guess = np.nan_to_num(track.probabilities, nan=-1.0).argmax(1)
                right[column] += np.sum(guess == truth)
            total += len(truth)
            still += int(len(np.unique(guess)) == 1)
        figures = {
            "clips": count,
            "clip_alone": float(right[0] / total),
            "with_reference": float(right[1] / total),
            "share_without_change_with_reference": still / count,
        }
        self.report(f"stitched: {figures}")
        return figures


def trim(samples: Array, decibels: float = 35.0) -> Array:
    """The part of 16 kHz samples between the first and last 20 ms frame within so many dB of the loudest."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    level = 10 * np.log10((frames**2).mean(1) + 1e-10)
    loud = np.flatnonzero(level > level.max() - decibels)
    return samples[loud[0] * 320 : (loud[-1] + 1) * 320]
