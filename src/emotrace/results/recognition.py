"""What comes of one recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emotrace.results.signal import Array, SignalMeasures, SignalQuality
from emotrace.results.track import ChangePoint, EmotionTrack, Segment, Smoothing
from emotrace.results.verdict import Verdict


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model gave a result, and how it ran.

    Attributes:
        name: package name, for example ``"compact"``.
        revision: first twelve hex digits of the sha256 of the graph, or of the weights, that ran.
        precision: ``"fp32"``, ``"int8"`` or ``"bf16"``.
        device: ``"cpu"`` or ``"cuda"``.
        runtime: for example ``"onnxruntime 1.31.1"``.
        threads: threads that one inference may use.
    """

    name: str
    revision: str
    precision: str
    device: str
    runtime: str
    threads: int


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerReference:
    """How one speaker usually sounds: what a result is compared with.

    Attributes:
        spectrum: float32 (bands,), mean log-mel spectrum over active frames, level removed.
        seconds: active speech that it is the mean of.
        model: name of the model that it was made with and may be used with.
    """

    spectrum: Array
    seconds: float
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """The emotion of one recording.

    Attributes:
        source: the input as a person would name it.
        emotion: the likeliest of the nine labels.
        confidence: its probability, 0 to 1.
        scores: probability of each of the nine labels; sums to 1.
        duration: seconds of the recording.
        model: which model, and how it ran.
        measures: what the signal is like.
        embedding: float32 (D,).
        track: emotion over time, if asked for; never smoothed.
        frame_embeddings: float32 (T, D), native frames of the model, if asked for.
        frame_times: float32 (T,), start of each native frame in seconds, if asked for.
        segments: stretches of one emotion each of a track that was smoothed; else stretches of speech, for
            recordings that were cut at pauses; else empty.
        shares: share of the time of the segments per emotion; empty without segments.
        speech_duration: seconds of speech that were recognised; None if it was not looked for.
        reference: where the speaker reference came from: ``"none"``, ``"given"``, ``"recording"``
            or ``"batch"``.
        warnings: sentences for people about the file and its samples, most important first.
        quality: what the signal checks say, if asked for.
        smoothed: the track after smoothing, if asked for.
        smoothing: how it was smoothed.
        change_points: where the emotion changes from one segment to the next.
        verdict: whether the result is to be believed, if it was judged.
    """

    source: str
    emotion: str
    confidence: float
    scores: Mapping[str, float]
    duration: float
    model: ModelInfo
    measures: SignalMeasures
    embedding: Array = field(repr=False)
    track: EmotionTrack | None = None
    frame_embeddings: Array | None = field(default=None, repr=False)
    frame_times: Array | None = field(default=None, repr=False)
    segments: tuple[Segment, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    speech_duration: float | None = None
    reference: str = "none"
    warnings: tuple[str, ...] = ()
    quality: SignalQuality | None = None
    smoothed: EmotionTrack | None = None
    smoothing: Smoothing | None = None
    change_points: tuple[ChangePoint, ...] = ()
    verdict: Verdict | None = None

    def top(self, n: int = 3) -> list[tuple[str, float]]:
        """The ``n`` likeliest labels with their probabilities, likeliest first; ties in label order."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:n]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The embedding of one recording, without its emotion.

    Attributes:
        source: the input as a person would name it.
        embedding: float32 (D,); of a recording that was cut at pauses the mean over its speech.
        duration: seconds of the recording.
        model: which model, and how it ran.
        frame_embeddings: float32 (T, F), native frames of the model, if asked for.
        frame_times: float32 (T,), start of each native frame in seconds, if asked for.
        speech_duration: seconds of speech that were encoded; None if it was not looked for.
    """

    source: str
    embedding: Array = field(repr=False)
    duration: float
    model: ModelInfo
    frame_embeddings: Array | None = field(default=None, repr=False)
    frame_times: Array | None = field(default=None, repr=False)
    speech_duration: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that gave no result, and why.

    Attributes:
        source: the input as a person would name it.
        code: stable name of the kind of error; see :mod:`emotrace.errors`.
        reason: one sentence: what came, what was expected, the way out.
    """

    source: str
    code: str
    reason: str
