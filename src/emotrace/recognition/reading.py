"""One recording, from its first block to its result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emotrace.audio import Decoder, Source, name_of
from emotrace.audio.sources import quoted
from emotrace.errors import ModelError, NoSpeechError
from emotrace.labels import LABELS
from emotrace.models.encoder import Encoder, Encoding, check_length, check_shortest, fewest_samples
from emotrace.recognition.checks import check_loudness, is_silent, silence_error
from emotrace.recognition.measuring import Measuring
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
from emotrace.segmentation import Stretch, StretchCutter, VoiceActivity
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

    def add_embedding(self, embedding: Array, seconds: float) -> None:
        """Take an embedding into the weighted sum."""
        self.seconds += seconds
        weighted = embedding.astype(np.float64) * seconds
        self.embedding_sum = weighted if self.embedding_sum is None else self.embedding_sum + weighted


class Reading:
    """Reads one source block by block and recognises it; used once.

    Args:
        encoder: the model.
        source: see :meth:`emotrace.Recognizer.recognize`.
        options: see there.
        reference: given from outside, or None.
        origin: where the given reference came from.
        on_progress: see there.
    """

    def __init__(
        self,
        encoder: Encoder,
        source: Source,
        options: RecognitionOptions,
        reference: SpeakerReference | None,
        origin: str,
        on_progress: Callable[[str, float, float], None] | None,
    ) -> None:
        self.encoder, self.options = encoder, options
        self.source, self.name = source, name_of(source)
        self.label = quoted(self.name)
        self.given = reference if encoder.card.speaker_reference else None
        self.origin = origin if self.given is not None else "none"
        self.on_progress = on_progress
        self.quality: SignalQuality | None = None
        self.heard = _Heard()
        self.cut: _CutReading | None = None
        card = encoder.card
        self.method = card.track.method if options.track_method == "auto" else options.track_method
        # A step that is longer than the way from value to value is the mean of shorter ones.
        native = card.frame_hop if self.method == "frame-head" else card.track.hop
        self.parts = max(1, math.ceil(options.hop / native - 1e-9))
        self.fine = options.hop / self.parts

    def recognise(self) -> Recognition:
        """Read to the end and say which emotion it is."""
        measures, warning = self._read()
        if self.heard.logits is not None:
            return self._result(measures, warning, softmax(self.heard.logits))
        return self._joined(measures, warning)

    def embed(self) -> Embedding:
        """Read to the end and give the embedding alone, which every model has."""
        measures, _ = self._read()
        heard = self.heard
        return Embedding(
            source=self.name,
            embedding=self._embedding(),
            duration=measures.duration,
            model=self.encoder.info,
            frame_embeddings=np.concatenate(heard.frames) if heard.frames else None,
            frame_times=np.concatenate(heard.frame_times) if heard.frame_times else None,
            speech_duration=heard.seconds if self.cut else None,
        )

    def _read(self) -> tuple[SignalMeasures, str | None]:
        """Decode and encode to the end; what was heard is in :attr:`heard`."""
        limit = 0 if self.options.segments else seconds_to_samples(self.options.whole_seconds)
        head: list[Array] = []
        length = 0
        with (
            Measuring(self.options.quality) as measuring,
            Decoder(self.source, channel=self.options.channel, limits=self.options.limits) as blocks,
        ):
            total = blocks.description.duration or 0.0
            for block in blocks:
                check_loudness(block, self.label)
                measuring.push(block)
                head.append(block)
                length += len(block)
                if length > limit:
                    self.cut = self.cut or _CutReading(self)
                    self.cut.feed(np.concatenate(head))
                    head.clear()
                if self.on_progress:
                    self.on_progress("recognise", samples_to_seconds(length), total)
            if self.cut is None:
                check_length(length, self.encoder.card, self.label)
                self._take_whole(np.concatenate(head))
            else:
                check_shortest(length, self.encoder.card, self.label)
                self.cut.finish()
            measures, self.quality = measuring.result(blocks.clipping_share)
            self._check_heard(measures)
            return measures, blocks.warning

    # -- recordings that are recognised whole ---------------------------------------------------------

    def _take_whole(self, samples: Array) -> None:
        if is_silent(samples):
            raise silence_error(samples, self.label)
        spectrum = self.given.spectrum if self.given else None
        [encoding] = self.encoder.encode([samples], [spectrum])
        self.heard.logits = encoding.logits
        self.heard.add_embedding(encoding.embedding, samples_to_seconds(len(samples)))
        self._keep(samples, 0.0, spectrum, encoding)

    # -- recordings that are cut at pauses ------------------------------------------------------------

    def recognise_stretch(self, samples: Array, start: int, running: RunningReference) -> None:
        """Recognise one stretch and keep what it says.

        Args:
            samples: float32 (n,).
            start: its first sample in the recording.
            running: the recording's own reference.
        """
        reference = self.given
        if reference is None and self.options.self_reference and self.encoder.card.speaker_reference:
            reference = running.get()
        spectrum = reference.spectrum if reference else None
        [encoding] = self.encoder.encode([samples], [spectrum])
        if self.given is None and reference is not None:
            self.origin = "recording"
        running.add(encoding.spectrum, encoding.active_seconds)
        begin, end = samples_to_seconds(start), samples_to_seconds(start + len(samples))
        if self.encoder.card.has_head:
            self.heard.segments.append(_segment(begin, end, self._finite(softmax(encoding.logits))))
        self.heard.add_embedding(encoding.embedding, end - begin)
        self._keep(samples, begin, spectrum, encoding)

    def _check_heard(self, measures: SignalMeasures) -> None:
        if self.cut is not None and self.heard.embedding_sum is None:
            quiet = f", at a level of only {measures.level_db:.0f} dB" if measures.level_db < QUIET_DB else ""
            raise NoSpeechError(
                f"{self.label}: no speech was found in {measures.duration:.1f} s{quiet}; expected a "
                "recording of speech: check the channel, or have it recognised whole (without segments, and "
                "with whole_seconds over its length)"
            )

    def _joined(self, measures: SignalMeasures, warning: str | None) -> Recognition:
        heard = self.heard
        weights = np.array([s.end - s.start for s in heard.segments])
        speech = float(weights.sum())
        weights = weights / speech
        scores = np.array([[s.scores[label] for label in LABELS] for s in heard.segments])
        shares = {
            label: float(weights[[s.emotion == label for s in heard.segments]].sum()) for label in LABELS
        }
        return self._result(
            measures,
            warning,
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
        if self.options.frame_embeddings:
            times = begin + np.arange(len(encoding.frames)) * self.encoder.card.frame_hop
            self.heard.frames.append(encoding.frames)
            self.heard.frame_times.append(times.astype(np.float32))

    def _read_steps(self, samples: Array, begin: float, spectrum: Array | None, encoding: Encoding) -> None:
        """Read emotion over time in a stretch.

        Its windows are compared with the speaker, else with the whole stretch.
        """
        if spectrum is None and self.encoder.card.speaker_reference:
            spectrum = encoding.spectrum
        steps = steps_between(begin, begin + samples_to_seconds(len(samples)), self.fine)
        if begin == 0:
            steps = steps or range(1)
        times = ((np.array(steps) + 0.5) * self.fine - begin).astype(np.float32)
        if self.method == "frame-head":
            logits = frame_head_logits(self.encoder.card, samples, times, encoding.frame_logits)
        else:
            logits = step_logits(self.encoder, samples, times, spectrum)
        self.heard.put(steps.start, softmax(logits))

    def _embedding(self) -> Array:
        """Mean embedding by time."""
        assert self.heard.embedding_sum is not None  # or there was an error before
        return np.asarray(self.heard.embedding_sum / self.heard.seconds, np.float32)

    def _track(self, duration: float) -> EmotionTrack:
        count = max(1, len(steps_between(0, duration, self.fine)))
        self.heard.put(count, np.zeros((0, len(LABELS)), np.float32))
        fine = np.frombuffer(self.heard.track, np.float32).reshape(-1, len(LABELS))[:count]
        table = coarsen(fine, self.parts)
        times = (np.arange(len(table)) * self.options.hop).astype(np.float32)
        window = f" {self.encoder.card.track.window:g} s" if self.method == "sliding-window" else ""
        return EmotionTrack(times, table, self.options.hop, self.method + window)

    def _finite(self, probabilities: Array) -> Array:
        """Nothing that is not a number leaves as an emotion."""
        if not np.isfinite(probabilities).all():
            raise ModelError(
                f"{self.label}: the model {self.encoder.card.name!r} gave no finite scores; its package is "
                "broken, or the sound is far out of range"
            )
        return probabilities

    def _result(
        self,
        measures: SignalMeasures,
        warning: str | None,
        probabilities: Array,
        segments: tuple[Segment, ...] = (),
        shares: dict[str, float] | None = None,
        speech_duration: float | None = None,
    ) -> Recognition:
        scores = dict(zip(LABELS, self._finite(probabilities).astype(float).tolist(), strict=True))
        best = LABELS[int(probabilities.argmax())]
        heard = self.heard
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
            reference=self.origin,
            warnings=tuple(([warning] if warning else []) + _warnings(measures)),
            quality=self.quality,
        )


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


class _CutReading:
    """The stream of a long recording: voice activity, stretches, and only the samples that they need."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.activity = VoiceActivity()
        self.cutter = StretchCutter()
        card = reading.encoder.card
        self.running = RunningReference(card.reference_size, card.name)
        self.length = 0
        self._kept: Array = np.zeros(0, np.float32)
        self._first = 0  # sample index of the first kept sample

    def feed(self, block: Array) -> None:
        """Take the next block of samples."""
        step = seconds_to_samples(self.cutter.rule.longest)  # one huge block needs no more memory than many
        for i in range(0, len(block), step):
            part = block[i : i + step]
            self._kept = np.concatenate([self._kept, part])
            self.length += len(part)
            self._recognise(self.cutter.feed(self.activity.feed(part)))

    def finish(self) -> None:
        """The stream has ended."""
        self._recognise(self.cutter.feed(self.activity.finish()) + self.cutter.finish())

    def _recognise(self, stretches: list[Stretch]) -> None:
        for stretch in stretches:
            start, end = stretch.start, min(stretch.end, self.length)
            if end - start >= fewest_samples(self.reading.encoder.card):
                samples = self._kept[start - self._first : end - self._first]
                self.reading.recognise_stretch(samples, start, self.running)
        keep = min(max(self.cutter.keep_from, self._first), self.length)
        self._kept = self._kept[keep - self._first :]
        self._first = keep


def _segment(start: float, end: float, probabilities: Array) -> Segment:
    best = int(probabilities.argmax())
    scores = dict(zip(LABELS, probabilities.astype(float).tolist(), strict=True))
    return Segment(start, end, LABELS[best], scores[LABELS[best]], scores)
