"""A live stream: chunks of sound in, events out, by the same code path as a file.

What has ended is final: a stream gives the same segments, scores and embeddings as a file of it that is cut
at pauses (``segments=True``). What goes on is provisional: every ``hop`` seconds, while somebody speaks, the
model hears the last window (1.5 s of the built-in model), compared with the speaker as far as he is known by
then. The track of a file compares its first stretch with that whole stretch, which nobody knows before it has
ended: by ``benchmarks/readings.py`` 82 % of the readings name the emotion that the track has there, and 52 %
the right one (of the track 55 %).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from numpy.typing import ArrayLike

from emotrace.audio import MeasureMeter, PushedAudio
from emotrace.errors import OptionError
from emotrace.models.encoder import Encoder, fewest_samples
from emotrace.recognition.checks import check_head, is_silent
from emotrace.recognition.cutting import Begun
from emotrace.recognition.listening import HeardStretch, Listener, finite
from emotrace.recognition.options import RecognitionOptions
from emotrace.recognition.references import RunningReference, check_reference
from emotrace.recognition.tracking import softmax
from emotrace.results import (
    Array,
    EmotionReading,
    Recognition,
    SignalMeasures,
    SignalQuality,
    SpeakerReference,
    SpeechEnded,
    SpeechStarted,
    StreamEnded,
    StreamEvent,
)
from emotrace.segmentation import QualityMeter
from emotrace.timing import samples_to_seconds, seconds_to_samples

SHORTEST_HOP, LONGEST_HOP = 0.1, 60.0

PAUSE_SECONDS = 0.2
"""After so long without speech nothing is read until somebody goes on: a pause has no emotion."""


class Live:
    """Recognises a stream while it comes; any chunks of the same samples give the same events, to 1e-5.

    Args:
        encoder: the model.
        sampling_rate: of the chunks, in Hz.
        options: see :meth:`emotrace.Recognizer.recognize`; a stream is always cut at pauses.
        hop: seconds from one reading to the next; they lie at its multiples. None is the model's own.
        channels: of the chunks.
        reference: how this speaker usually sounds.
        name: of the stream, for results and messages.

    Raises:
        AudioError: rate or number of channels is not usable.
        ModelError: the model names no emotions, or the reference was made with another.
        OptionError: ``hop`` is out of range.

    >>> import numpy as np
    >>> from emotrace.models.encoder import FakeEncoder
    >>> live = Live(FakeEncoder(), 8000)
    >>> live.push(np.zeros(800, np.int16))
    []
    """

    def __init__(
        self,
        encoder: Encoder,
        sampling_rate: int,
        options: RecognitionOptions | None = None,
        *,
        hop: float | None = None,
        channels: int = 1,
        reference: SpeakerReference | None = None,
        name: str = "<stream>",
    ) -> None:
        check_head(encoder.card)
        check_reference(encoder, reference)
        self._options = (options or RecognitionOptions()).model_copy(update={"segments": True})
        self.hop = encoder.card.track.hop if hop is None else hop
        if not SHORTEST_HOP <= self.hop <= LONGEST_HOP:
            raise OptionError(f"hop is {self.hop:g} s; expected {SHORTEST_HOP:g} to {LONGEST_HOP:g}")
        self._encoder, self._name = encoder, name
        limit = self._options.limits.max_seconds
        self._audio = PushedAudio(
            sampling_rate, channels=channels, channel=self._options.channel, max_seconds=limit, name=name
        )
        self._listener = Listener(encoder, self._options, reference, "given", name)
        self._meter = _meter(self._options.quality)
        self._position = 0
        self._step = 1
        self._own = self._new_reference()

    @property
    def seconds(self) -> float:
        """How much of the stream came so far."""
        return self._audio.seconds

    def push(self, samples: ArrayLike) -> list[StreamEvent]:
        """Take the next chunk.

        Args:
            samples: (n,) or (n, channels), int16 or floats with full scale at 1.

        Returns:
            What is known now that was not before.

        Raises:
            AudioError: the chunk cannot be used.
            LimitError: the stream is longer than allowed.
            ModelError: the model is broken.
        """
        return list(self._take(self._audio.push(samples)))

    def finish(self) -> list[StreamEvent]:
        """The stream is over; the last event is a :class:`~emotrace.results.StreamEnded`.

        Raises:
            InputError: it is too short for the model.
            NoSpeechError: nobody spoke.
        """
        events = list(self._take(self._audio.finish()))
        events += self._told(self._listener.finish())
        measures, quality = _measured(self._meter, self._audio.clipping_share)
        return [*events, StreamEnded(self._listener.result(measures, quality))]

    def _take(self, block: Array) -> Iterator[StreamEvent]:
        """Listen as far as the next reading, read, and so on."""
        if not len(block):
            return
        _push(self._meter, block)
        while len(block):
            count = seconds_to_samples(self._step * self.hop) - self._position
            part, block = block[:count], block[count:]
            self._position += len(part)
            yield from self._told(self._listener.feed(part))
            if len(part) == count:
                self._step += 1
                yield from self._read()

    def _told(self, heard: Iterable[Begun | HeardStretch]) -> Iterator[StreamEvent]:
        for each in heard:
            if isinstance(each, Begun):
                yield SpeechStarted(samples_to_seconds(each.start), samples_to_seconds(each.heard))
            else:
                self._own = self._new_reference()
                yield self._ended(each)

    # -- what goes on ---------------------------------------------------------------------------------

    def _new_reference(self) -> RunningReference:
        card = self._encoder.card
        return RunningReference(card.reference_size, card.name)

    def _read(self) -> Iterator[EmotionReading]:
        """Read the last window, if somebody speaks in it now."""
        cutting = self._listener.cutting
        speaking = cutting.speaking if cutting else None
        if cutting is None or speaking is None:
            return
        if self._position - speaking.end > seconds_to_samples(PAUSE_SECONDS):
            return
        window = seconds_to_samples(self._encoder.card.track.window)
        start = max(speaking.start, self._position - window)
        samples = cutting.latest(start)
        if len(samples) < fewest_samples(self._encoder.card) or is_silent(samples):
            return
        reference = self._listener.reference() or self._own.get()
        [encoding] = self._encoder.encode([samples], [reference.spectrum if reference else None])
        self._own.add(encoding.spectrum, encoding.active_seconds)
        probabilities = finite(softmax(encoding.logits), self._listener.label, self._encoder)
        yield EmotionReading(samples_to_seconds(start), samples_to_seconds(self._position), probabilities)

    # -- what has ended -------------------------------------------------------------------------------

    def _ended(self, heard: HeardStretch) -> SpeechEnded:
        """A stretch as a recording of its own."""
        segment, cut = heard.segment, heard.cut
        assert segment is not None  # the model has a head
        meter = _meter(self._options.quality)
        _push(meter, cut.samples)
        measures, quality = _measured(meter, None)
        recognition = Recognition(
            source=self._name,
            emotion=segment.emotion,
            confidence=segment.confidence,
            scores=segment.scores,
            duration=measures.duration,
            model=self._encoder.info,
            measures=measures,
            embedding=heard.embedding,
            track=self._listener.stretch_track(segment.start, segment.end),
            speech_duration=measures.duration,
            reference=heard.reference,
            quality=quality,
        )
        return SpeechEnded(segment.start, segment.end, samples_to_seconds(cut.heard), recognition)


def _meter(checks: bool) -> MeasureMeter | QualityMeter:
    return QualityMeter() if checks else MeasureMeter()


def _push(meter: MeasureMeter | QualityMeter, samples: Array) -> None:
    (meter.push if isinstance(meter, QualityMeter) else meter.update)(samples)


def _measured(
    meter: MeasureMeter | QualityMeter, clipping_share: float | None
) -> tuple[SignalMeasures, SignalQuality | None]:
    if isinstance(meter, QualityMeter):
        quality = meter.result(clipping_share)
        return quality.measures, quality
    return meter.result(clipping_share), None
