"""From a recording or a live stream to judged results: recognition, checks, smoothing, segments, verdict.

The one place where these are put together; command line, server and batches call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from emotrace.audio import Source
from emotrace.errors import EmotraceError, OptionError
from emotrace.options import Options
from emotrace.postprocess.methods import smooth, smoother_of
from emotrace.postprocess.options import SegmentOptions, SmoothingOptions, prior_of
from emotrace.postprocess.readings import ReadingSmoother
from emotrace.postprocess.rules import Rules
from emotrace.postprocess.segments import change_points, segments_of, time_shares
from emotrace.postprocess.verdict import judge
from emotrace.recognition import RecognitionOptions, Recognizer
from emotrace.recognition.live import Live
from emotrace.recognition.recognizer import Progress
from emotrace.results import (
    EmotionReading,
    EmotionTrack,
    Failure,
    Recognition,
    Smoothing,
    SpeakerReference,
    SpeechEnded,
    StreamEnded,
    StreamEvent,
)

_CHAINS = ("hmm", "hmm-online", "viterbi")
"""The methods that know a class prior."""


class PipelineOptions(Options):
    """What is asked of an analysis.

    Attributes:
        recognition: how the recording is read; smoothing switches ``frames`` on.
        checks: run the signal checks; without them a verdict goes by the measures of the recording alone.
        smoothing: how emotion over time is smoothed; None leaves it as it is. Without a ``prior`` of its own,
            that of the model is taken, if one is known.
        segments: how a smoothed track is cut.
        rules: thresholds of the verdict; None gives no verdict.

    >>> options = PipelineOptions.of(smoothing={"method": "vote", "window": 25}, rules=None)
    >>> options.smoothing.window, options.reading.frames
    (25, True)
    """

    recognition: RecognitionOptions = Field(default_factory=RecognitionOptions)
    checks: bool = True
    smoothing: SmoothingOptions | None = None
    segments: SegmentOptions = Field(default_factory=SegmentOptions)
    rules: Rules | None = Field(default_factory=Rules)

    @property
    def reading(self) -> RecognitionOptions:
        """The options of the recognition, with what the steps after it need."""
        needed = {
            "frames": self.recognition.frames or self.smoothing is not None,
            "quality": self.recognition.quality or self.checks,
        }
        return self.recognition.model_copy(update=needed)


def analyse(
    recognizer: Recognizer,
    source: Source,
    options: PipelineOptions | None = None,
    *,
    reference: SpeakerReference | None = None,
    on_progress: Progress | None = None,
) -> Recognition:
    """Recognise one recording and judge the result.

    Args:
        recognizer: the model.
        source: see :meth:`emotrace.Recognizer.recognize`.
        options: None is ``PipelineOptions()``.
        reference: see :meth:`emotrace.Recognizer.recognize`.
        on_progress: see there.

    Returns:
        What :func:`judged` makes of the recognition.

    Raises:
        EmotraceError: see :meth:`emotrace.Recognizer.recognize`.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> tone = (np.sin(np.arange(16000, dtype=np.float32)), 16000)
    >>> result = analyse(Recognizer(encoder=FakeEncoder()), tone)
    >>> result.quality.speech_share, "not-speech" in result.verdict.codes or "music" in result.verdict.codes
    (0.0, True)
    """
    options = options or PipelineOptions()
    given = _fields(options.reading)
    result = recognizer.recognize(source, reference=reference, on_progress=on_progress, **given)
    return judged(result, options)


def analyse_many(
    recognizer: Recognizer,
    sources: Iterable[Source],
    options: PipelineOptions | None = None,
    *,
    reference: SpeakerReference | None = None,
    one_speaker: bool = False,
    workers: int = 0,
    on_progress: Progress | None = None,
    on_bug: Callable[[Source, Exception], Failure] | None = None,
) -> Iterator[Recognition | Failure]:
    """Recognise many recordings, in order, and judge the results; a Failure stops none of the others.

    Args:
        recognizer: the model.
        sources: see :meth:`emotrace.Recognizer.recognize_many`; so are the others.
        options: None is ``PipelineOptions()``.
        reference: for all of them.
        one_speaker: they are all of one speaker.
        workers: recordings at the same time; 0 is the rule there.
        on_progress: called as ``on_progress("recognise", recordings done, total)``.
        on_bug: what an unexpected exception becomes; None raises it.

    Raises:
        OptionError: see there.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> tone = (np.sin(np.arange(16000, dtype=np.float32)), 16000)
    >>> found = analyse_many(Recognizer(encoder=FakeEncoder()), [tone, "missing.wav"])
    >>> [type(result).__name__ for result in found]
    ['Recognition', 'Failure']
    """
    options = options or PipelineOptions()
    results = recognizer.recognize_many(
        sources,
        reference=reference,
        one_speaker=one_speaker,
        workers=workers,
        on_progress=on_progress,
        on_bug=on_bug,
        **_fields(options.reading),
    )
    return (_judged_or_failed(result, options, on_bug) for result in results)


def _judged_or_failed(
    result: Recognition | Failure,
    options: PipelineOptions,
    on_bug: Callable[[Source, Exception], Failure] | None,
) -> Recognition | Failure:
    if isinstance(result, Failure):
        return result
    try:
        return judged(result, options)
    except EmotraceError as error:
        return Failure(result.source, error.code, str(error))
    except Exception as error:
        if on_bug is None:
            raise
        return on_bug(result.source, error)


def judged(result: Recognition, options: PipelineOptions | None = None) -> Recognition:
    """A recognition with what can be told from it alone: smoothed track, segments, change points, verdict.

    Its emotion, confidence and scores stay those of the whole recording.

    Args:
        result: as :meth:`emotrace.Recognizer.recognize` gave it.
        options: None is ``PipelineOptions()``; ``recognition`` and ``checks`` have no effect any more.

    Returns:
        The same with ``change_points`` and what the options ask for. With smoothing there are ``smoothed``
        and ``smoothing``, and ``segments`` and ``shares`` are those of the smoothed track, with scores of the
        track before it; without, they stay: stretches between pauses, if it was cut there. The verdict's rule
        about switches of the label looks at the smoothed track, without one at the track.

    Raises:
        OptionError: there is no track to be smoothed.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> tone = np.repeat(np.float32([3 / 8, 6 / 8]), 32000) * np.tile(np.float32([1, -1]), 32000)
    >>> result = Recognizer(encoder=FakeEncoder()).recognize((tone, 16000), frames=True)
    >>> options = PipelineOptions.of(smoothing={"method": "median"})
    >>> [segment.emotion for segment in judged(result, options).segments][::2]
    ['happy', 'sad']
    """
    options = options or PipelineOptions()
    result = _smoothed(result, options)
    result = replace(result, change_points=change_points(result.segments))
    if options.rules is None:
        return result
    seen = replace(result, track=result.smoothed or result.track)
    return replace(result, verdict=judge(seen, result.quality, options.rules))


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
        Give it chunks, and it gives events. What has ended is what :func:`analyse` makes of a file of the
        stream with the same options and ``segments``.

    Raises:
        AudioError: rate or number of channels is not usable.
        ModelError: the model names no emotions, or the reference was made with another.
        OptionError: ``hop`` is out of range.

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
        self._smoother = smoothing and ReadingSmoother(_with_prior(smoothing, model), live.hop)

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


def _smoothed(result: Recognition, options: PipelineOptions) -> Recognition:
    if options.smoothing is None:
        return result
    if result.track is None:
        raise OptionError("there is no emotion over time to be smoothed; recognise with frames=True")
    smoothing = _with_prior(options.smoothing, result.model.name)
    track = smooth(result.track, smoothing)
    segments = segments_of(track, options.segments, scores=_steps(result.track, track))
    latency = smoother_of(smoothing, result.track.hop).latency
    return replace(
        result,
        smoothed=track,
        smoothing=Smoothing(smoothing.method, latency.seconds),
        segments=segments,
        shares=time_shares(segments),
    )


def _with_prior(smoothing: SmoothingOptions, model: str) -> SmoothingOptions:
    prior = prior_of(model)
    if prior is None or smoothing.prior is not None or smoothing.method not in _CHAINS:
        return smoothing
    return smoothing.model_copy(update={"prior": prior})


def _steps(track: EmotionTrack, smoothed: EmotionTrack) -> EmotionTrack:
    """The steps of a track that a smoothed one kept."""
    if len(track) == len(smoothed):
        return track
    kept = np.searchsorted(track.times, smoothed.times)
    return replace(track, times=smoothed.times, probabilities=track.probabilities[kept], hop=smoothed.hop)


def _fields(options: RecognitionOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in type(options).model_fields}
