"""Blocks of sound in, what was recognised out: the one code path of files, arrays and live streams."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emotrace.audio.sources import quoted
from emotrace.errors import ModelError, NoSpeechError
from emotrace.labels import LABELS
from emotrace.models.encoder import Encoder, Encoding, check_length, check_shortest, fewest_samples
from emotrace.recognition.checks import SILENT_DB, check_loudness, is_silent, nothing_error, silence_error
from emotrace.recognition.cutting import Begun, Cut, Cutting
from emotrace.recognition.options import RecognitionOptions
from emotrace.recognition.references import RunningReference
from emotrace.recognition.tracking import coarsen, frame_head_logits, softmax, step_logits, steps_between
from emotrace.results import (
    Array,
    Embedding,
    EmotionTrack,
    Recognition,
    Segment,
    SignalMeasures,
    SignalQuality,
    SpeakerReference,
)
from emotrace.timing import samples_to_seconds, seconds_to_samples

QUIET_DB = -50.0  # voice activity begins to miss speech
LOUD_DB = 12.0  # over full scale: no longer peaks between samples, but a wrong scale


ROW_BYTES = 4 * len(LABELS)


@dataclass
class _Heard:
    """What has been recognised so far.

    Attributes:
        logits: float32 (9,), of a recording that was recognised whole.
        seconds: of speech in stretches.
        embedding_sum: float64 (D,), embeddings times their seconds.
        track: the track's finest steps from 0 on, float32 rows of nine; a bytearray grows in place, so a long
            track is in memory once.
    """

    segments: list[Segment] = field(default_factory=list)
    logits: Array | None = None
    seconds: float = 0.0
    embedding_sum: NDArray[np.float64] | None = None
    frames: list[Array] = field(default_factory=list)
    frame_times: list[Array] = field(default_factory=list)
    track: bytearray = field(default_factory=bytearray)

    def put(self, first: int, rows: Array) -> None:
        """Append rows of the track; steps that were left out before ``first`` are NaN."""
        missing = first - len(self.track) // ROW_BYTES
        self.track.extend(np.full((missing, len(LABELS)), np.nan, np.float32).tobytes())
        self.track.extend(rows.tobytes())

    def rows(self, first: int, end: int) -> Array:
        """A copy of some rows of the track; NaN where there are none yet."""
        there = np.frombuffer(bytes(self.track[first * ROW_BYTES : end * ROW_BYTES]), np.float32)
        rows = np.full((end - first, len(LABELS)), np.nan, np.float32)
        rows.flat[: len(there)] = there
        return rows

    def add_embedding(self, embedding: Array, seconds: float) -> None:
        """Take an embedding into the weighted sum."""
        self.seconds += seconds
        weighted = embedding.astype(np.float64) * seconds
        self.embedding_sum = weighted if self.embedding_sum is None else self.embedding_sum + weighted


@dataclass(frozen=True, slots=True, eq=False)
class HeardStretch:
    """A stretch that was recognised.

    Attributes:
        cut: the stretch.
        segment: its emotion; None of a model without a head.
        embedding: float32 (D,).
        reference: where its speaker reference came from, as in :class:`~emotrace.results.Recognition`.
    """

    cut: Cut
    segment: Segment | None
    embedding: Array
    reference: str


class Listener:
    """Recognises 16 kHz blocks as they come; any blocks of the same samples give the same, to 1e-5.

    Args:
        encoder: the model.
        options: see :meth:`emotrace.Recognizer.recognize`; ``segments`` cuts from the first block on.
        reference: given from outside, or None.
        origin: where the given reference came from.
        name: of the source.

    Attributes:
        running: the recording's own speaker reference so far.
        given: the reference that is used instead, if the model takes one.
    """

    def __init__(
        self,
        encoder: Encoder,
        options: RecognitionOptions,
        reference: SpeakerReference | None,
        origin: str,
        name: str,
    ) -> None:
        self.encoder, self.options = encoder, options
        self.name, self.label = name, quoted(name)
        self.given = reference if encoder.card.speaker_reference else None
        self._origin = origin if self.given is not None else "none"
        self._heard = _Heard()
        card = encoder.card
        self.running = RunningReference(card.reference_size, card.name)
        self._limit = 0 if options.segments else seconds_to_samples(options.whole_seconds)
        self._head: list[Array] = []
        self._length = 0
        self._cutting: Cutting | None = None
        self.method = card.track.method if options.track_method == "auto" else options.track_method
        # A step that is longer than the way from value to value is the mean of shorter ones.
        native = card.frame_hop if self.method == "frame-head" else card.track.hop
        self._parts = max(1, math.ceil(options.hop / native - 1e-9))
        self._fine = options.hop / self._parts

    @property
    def cutting(self) -> Cutting | None:
        """The stretches, of a recording that is cut at pauses."""
        return self._cutting

    def feed(self, block: Array) -> Iterator[Begun | HeardStretch]:
        """Take the next samples, float32 (n,), 16 kHz; to be iterated to the end.

        Raises:
            InputError: a sample is far out of range.
        """
        check_loudness(block, self.label)
        self._length += len(block)
        self._head.append(block)
        if self._length > self._limit:
            self._cutting = self._cutting or Cutting(fewest_samples(self.encoder.card))
            joined = np.concatenate(self._head)
            self._head.clear()
            yield from self._recognised(self._cutting.feed(joined))

    def finish(self) -> Iterator[Begun | HeardStretch]:
        """The recording has ended; to be iterated to the end.

        Raises:
            InputError: it is too short or silent.
        """
        if self._cutting is None:
            check_length(self._length, self.encoder.card, self.label)
            self._take_whole(np.concatenate(self._head))
            return
        check_shortest(self._length, self.encoder.card, self.label)
        yield from self._recognised(self._cutting.finish())

    def result(
        self, measures: SignalMeasures, quality: SignalQuality | None = None, warning: str | None = None
    ) -> Recognition:
        """Which emotion it was; after :meth:`finish`.

        Args:
            measures: of the whole recording.
            quality: what its signal checks say.
            warning: what its decoder says.

        Raises:
            NoSpeechError: no speech was found where it was cut.
        """
        self._check_heard(measures)
        warnings = tuple(([warning] if warning else []) + _warnings(measures))
        if self._heard.logits is not None:
            return self._result(measures, quality, warnings, softmax(self._heard.logits))
        return self._joined(measures, quality, warnings)

    def embedded(self, measures: SignalMeasures) -> Embedding:
        """The embedding alone, which every model has; see :meth:`result`."""
        self._check_heard(measures)
        heard = self._heard
        return Embedding(
            source=self.name,
            embedding=self._embedding(),
            duration=measures.duration,
            model=self.encoder.info,
            frame_embeddings=np.concatenate(heard.frames) if heard.frames else None,
            frame_times=np.concatenate(heard.frame_times) if heard.frame_times else None,
            speech_duration=heard.seconds if self._cutting else None,
        )

    def stretch_track(self, begin: float, end: float) -> EmotionTrack | None:
        """Emotion over time in a stretch that was recognised, if it was asked for; times of the recording."""
        if not self.options.frames:
            return None
        fine = steps_between(begin, end, self._fine)
        first = fine.start // self._parts
        rows = coarsen(self._heard.rows(first * self._parts, fine.stop), self._parts)
        return self._track_of(first, rows)

    # -- recordings that are recognised whole ---------------------------------------------------------

    def _take_whole(self, samples: Array) -> None:
        if is_silent(samples):
            raise silence_error(samples, self.label)
        spectrum = self.given.spectrum if self.given else None
        [encoding] = self.encoder.encode([samples], [spectrum])
        self._heard.logits = encoding.logits
        self._heard.add_embedding(encoding.embedding, samples_to_seconds(len(samples)))
        self._keep(samples, 0.0, spectrum, encoding)

    # -- recordings that are cut at pauses ------------------------------------------------------------

    def reference(self) -> SpeakerReference | None:
        """What the next stretch is compared with: the given reference, else the recording's own so far."""
        if self.given is None and self.options.self_reference and self.encoder.card.speaker_reference:
            return self.running.get()
        return self.given

    def _recognised(self, cuts: Iterable[Begun | Cut]) -> Iterator[Begun | HeardStretch]:
        return (cut if isinstance(cut, Begun) else self._recognise(cut) for cut in cuts)

    def _recognise(self, cut: Cut) -> HeardStretch:
        """Recognise one stretch and keep what it says."""
        reference = self.reference()
        spectrum = reference.spectrum if reference else None
        [encoding] = self.encoder.encode([cut.samples], [spectrum])
        origin = self._origin
        if self.given is None:
            origin = "none" if reference is None else "recording"
            self._origin = "recording" if reference is not None else self._origin
        self.running.add(encoding.spectrum, encoding.active_seconds)
        begin, end = samples_to_seconds(cut.start), samples_to_seconds(cut.start + len(cut.samples))
        segment = None
        if self.encoder.card.has_head:
            segment = _segment(begin, end, self._finite(softmax(encoding.logits)))
            self._heard.segments.append(segment)
        self._heard.add_embedding(encoding.embedding, end - begin)
        self._keep(cut.samples, begin, spectrum, encoding)
        return HeardStretch(cut, segment, encoding.embedding, origin)

    def _check_heard(self, measures: SignalMeasures) -> None:
        if self._cutting is not None and self._heard.embedding_sum is None:
            if measures.peak_db < SILENT_DB:
                raise nothing_error(measures.duration, self.label)
            quiet = f", at a level of only {measures.level_db:.0f} dB" if measures.level_db < QUIET_DB else ""
            raise NoSpeechError(
                f"{self.label}: no speech was found in {measures.duration:.1f} s{quiet}; expected a "
                "recording of speech: check the channel, or have it recognised whole (without segments, and "
                "with whole_seconds over its length)"
            )

    def _joined(
        self, measures: SignalMeasures, quality: SignalQuality | None, warnings: tuple[str, ...]
    ) -> Recognition:
        heard = self._heard
        weights = np.array([s.end - s.start for s in heard.segments])
        speech = float(weights.sum())
        weights = weights / speech
        scores = np.array([[s.scores[label] for label in LABELS] for s in heard.segments])
        shares = {
            label: float(weights[[s.emotion == label for s in heard.segments]].sum()) for label in LABELS
        }
        return self._result(
            measures,
            quality,
            warnings,
            (weights @ scores).astype(np.float32),
            segments=tuple(heard.segments),
            shares={label: share for label, share in shares.items() if share > 0},
            speech_duration=speech,
        )

    # -- both -----------------------------------------------------------------------------------------

    def _keep(self, samples: Array, begin: float, spectrum: Array | None, encoding: Encoding) -> None:
        """Keep what is asked for besides the emotion of the whole stretch."""
        if self.options.frames:
            self._read_steps(samples, begin, spectrum, encoding)
        wanted = self.options.frame_embeddings
        if wanted or (wanted is None and self.options.frames and self._cutting is None):
            times = begin + np.arange(len(encoding.frames)) * self.encoder.card.frame_hop
            self._heard.frames.append(encoding.frames)
            self._heard.frame_times.append(times.astype(np.float32))

    def _read_steps(self, samples: Array, begin: float, spectrum: Array | None, encoding: Encoding) -> None:
        """Read emotion over time in a stretch.

        Its windows are compared with the speaker, else with the whole stretch.
        """
        if spectrum is None and self.encoder.card.speaker_reference:
            spectrum = encoding.spectrum
        steps = steps_between(begin, begin + samples_to_seconds(len(samples)), self._fine)
        if begin == 0:
            steps = steps or range(1)
        times = ((np.array(steps) + 0.5) * self._fine - begin).astype(np.float32)
        if self.method == "frame-head":
            logits = frame_head_logits(self.encoder.card, samples, times, encoding.frame_logits)
        else:
            logits = step_logits(self.encoder, samples, times, spectrum)
        self._heard.put(steps.start, softmax(logits))

    def _embedding(self) -> Array:
        """Mean embedding by time."""
        assert self._heard.embedding_sum is not None  # or there was an error before
        return np.asarray(self._heard.embedding_sum / self._heard.seconds, np.float32)

    def _track(self, duration: float) -> EmotionTrack:
        count = max(1, len(steps_between(0, duration, self._fine)))
        self._heard.put(count, np.zeros((0, len(LABELS)), np.float32))
        fine = np.frombuffer(self._heard.track, np.float32).reshape(-1, len(LABELS))[:count]
        return self._track_of(0, coarsen(fine, self._parts))

    def _track_of(self, first: int, table: Array) -> EmotionTrack:
        times = np.arange(first, first + len(table), dtype=np.float64)
        times *= self.options.hop
        window = f" {self.encoder.card.track.window:g} s" if self.method == "sliding-window" else ""
        return EmotionTrack(times.astype(np.float32), table, self.options.hop, self.method + window)

    def _finite(self, probabilities: Array) -> Array:
        return finite(probabilities, self.label, self.encoder)

    def _result(
        self,
        measures: SignalMeasures,
        quality: SignalQuality | None,
        warnings: tuple[str, ...],
        probabilities: Array,
        segments: tuple[Segment, ...] = (),
        shares: dict[str, float] | None = None,
        speech_duration: float | None = None,
    ) -> Recognition:
        scores = dict(zip(LABELS, self._finite(probabilities).astype(float).tolist(), strict=True))
        best = LABELS[int(probabilities.argmax())]
        heard = self._heard
        return Recognition(
            source=self.name,
            emotion=best,
            confidence=scores[best],
            scores=scores,
            duration=measures.duration,
            model=self.encoder.info,
            measures=measures,
            embedding=self._embedding(),
            track=self._track(measures.duration) if self.options.frames else None,
            frame_embeddings=np.concatenate(heard.frames) if heard.frames else None,
            frame_times=np.concatenate(heard.frame_times) if heard.frame_times else None,
            segments=segments,
            shares=shares or {},
            speech_duration=speech_duration,
            reference=self._origin,
            warnings=warnings,
            quality=quality,
        )


def finite(probabilities: Array, label: str, encoder: Encoder) -> Array:
    """Nothing that is not a number leaves as an emotion.

    Raises:
        ModelError: it would.
    """
    if not np.isfinite(probabilities).all():
        raise ModelError(
            f"{label}: the model {encoder.card.name!r} gave no finite scores; its package is "
            "broken, or the sound is far out of range"
        )
    return probabilities


def _warnings(measures: SignalMeasures) -> list[str]:
    """What no rule of a verdict speaks of."""
    out = []
    if measures.peak_db > LOUD_DB:
        out.append(
            f"samples reach {10 ** (measures.peak_db / 20):.0f} times full scale: are they scaled right?"
        )
    if abs(measures.dc_offset) > 0.02:
        out.append(f"DC offset of {measures.dc_offset:+.3f}")
    return out


def _segment(start: float, end: float, probabilities: Array) -> Segment:
    best = int(probabilities.argmax())
    scores = dict(zip(LABELS, probabilities.astype(float).tolist(), strict=True))
    return Segment(start, end, LABELS[best], scores[LABELS[best]], scores)
