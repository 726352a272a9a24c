"""From live streams to judged results."""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from emotrace.pipeline.judging import judged, with_prior
from emotrace.pipeline.options import PipelineOptions
from emotrace.postprocess.readings import ReadingSmoother
from emotrace.recognition import Recognizer
from emotrace.recognition.live import Live
from emotrace.results import EmotionReading, SpeakerReference, SpeechEnded, StreamEnded, StreamEvent


def stream(
    recognizer: Recognizer,
    sampling_rate: int,
    options: PipelineOptions | None = None,
    *,
    hop: float | None = None,
    channels: int = 1,
    reference: SpeakerReference | None = None,
    name: str = "<stream>",
) -> Stream:
    """Recognise a live stream and judge the results.

    Args:
        recognizer: the model.
        sampling_rate: of the chunks to come, in Hz.
        options: None is ``PipelineOptions()``. A stream is always cut at pauses.
        hop: seconds between readings while somebody speaks, 0.1 or more; None is the model's own.
        channels: of the chunks.
        reference: see :meth:`emotrace.Recognizer.recognize`.
        name: of the stream, as ``source`` of its results.

    Returns:
        Give it chunks, and it gives events. What has ended is what :func:`~emotrace.pipeline.analyse` makes
        of a file of the stream with the same options and ``segments``.

    Raises:
        AudioError: rate or number of channels is not usable.
        ModelError: the model names no emotions, or the reference was made with another.
        OptionError: ``hop`` is out of range.

    >>> import numpy as np
    >>> from emotrace.models.encoder import FakeEncoder
    >>> live = stream(Recognizer(encoder=FakeEncoder()), 48000)
    >>> live.push(np.zeros(4800, np.int16)), live.seconds
    ([], 0.1)
    """
    options = options or PipelineOptions()
    live = Live(
        recognizer.encoder,
        sampling_rate,
        options.reading,
        hop=hop,
        channels=channels,
        reference=reference,
        name=name,
    )
    return Stream(live, options, recognizer.info.name)


class Stream:
    """A live stream that is judged; made by :func:`stream`, used once.

    A reading is provisional; with smoothing it brings the newest smoothed one along, and the latency of the
    smoother. The verdict over a segment is that of the segment alone.

    Args:
        live: the stream before it is judged.
        options: see :func:`stream`.
        model: its name.
    """

    def __init__(self, live: Live, options: PipelineOptions, model: str) -> None:
        self._live, self._options = live, options
        self._of_segment = options.model_copy(update={"smoothing": None})
        smoothing = options.smoothing
        self._smoother = smoothing and ReadingSmoother(with_prior(smoothing, model), live.hop)

    @property
    def seconds(self) -> float:
        """How much of the stream came so far."""
        return self._live.seconds

    @property
    def hop(self) -> float:
        """Seconds from one reading to the next."""
        return self._live.hop

    @property
    def latency_seconds(self) -> float:
        """How far smoothed readings are behind; infinite where they come with the end of the stream only."""
        return self._smoother.latency_seconds if self._smoother else 0.0

    def push(self, samples: ArrayLike) -> list[StreamEvent]:
        """Take the next chunk; see :meth:`emotrace.recognition.live.Live.push`."""
        return [self._completed(event) for event in self._live.push(samples)]

    def finish(self) -> list[StreamEvent]:
        """The stream is over; see :meth:`emotrace.recognition.live.Live.finish`."""
        return [self._completed(event) for event in self._live.finish()]

    def _completed(self, event: StreamEvent) -> StreamEvent:
        match event:
            case EmotionReading():
                return self._smoother.add(event) if self._smoother else event
            case SpeechEnded():
                return replace(event, recognition=judged(event.recognition, self._of_segment))
            case StreamEnded():
                return StreamEnded(judged(event.recognition, self._options))
        return event
