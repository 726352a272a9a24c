"""The frozen records that cross rooms.

Times are seconds from the start of the recording unless the name says otherwise; probabilities follow
the order of :data:`emotrace.labels.LABELS`; arrays are float32 and must not be written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emotrace.labels import LABELS

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


@dataclass(frozen=True, slots=True, eq=False)
class EmotionTrack:
    """Emotion over time.

    Attributes:
        times: float32 (T,), start of each step in seconds.
        probabilities: float32 (T, 9), each row sums to 1; NaN in every column of a step without
            speech, because silence has no emotion.
        hop: seconds from one step to the next.
        method: how it was read, for example ``"sliding-window 1.5 s"``.

    >>> rows = np.full((2, 9), np.nan, np.float32)
    >>> rows[0] = np.eye(9)[3]
    >>> EmotionTrack(np.float32([0, 0.04]), rows, 0.04, "by hand").emotions
    ['happy', None]
    """

    times: Array = field(repr=False)
    probabilities: Array = field(repr=False)
    hop: float
    method: str

    def __len__(self) -> int:
        return len(self.times)

    @property
    def emotions(self) -> list[str | None]:
        """The likeliest emotion of each step; None where there is no speech."""
        return [None if np.isnan(p[0]) else LABELS[int(p.argmax())] for p in self.probabilities]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech and its emotion.

    Attributes:
        start: seconds.
        end: seconds.
        emotion: one of the nine labels.
        confidence: probability of ``emotion``, 0 to 1.
        scores: probability of each label; sums to 1.
    """

    start: float
    end: float
    emotion: str
    confidence: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """Where one emotion gives way to another.

    Attributes:
        time: seconds.
        before: emotion before it.
        after: emotion after it.
        strength: share of the probability that goes elsewhere, 0 to 1.
    """

    time: float
    before: str
    after: str
    strength: float


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How a track was smoothed.

    Attributes:
        method: for example ``"hmm"``.
        latency_seconds: how long after a step its smoothed emotion is known; infinite where the whole
            recording must be.
    """

    method: str
    latency_seconds: float


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


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a result is not simply kept.

    Attributes:
        code: stable name of the rule, for example ``"low-confidence"``.
        decision: what it leads to: ``"flag"`` or ``"drop"``.
        value: the number that was judged.
        threshold: the limit that it is beyond.
        sentence: what was found, in English.
        sentence_zh: the same in Chinese.
        advice: what can be done about it, in English.
        advice_zh: the same in Chinese.
    """

    code: str
    decision: str
    value: float
    threshold: float
    sentence: str
    sentence_zh: str
    advice: str
    advice_zh: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a result is to be believed.

    Attributes:
        decision: ``"keep"``, ``"flag"`` (look at it before use) or ``"drop"``: the gravest of the reasons'.
        reasons: in the order of the rules.
    """

    decision: str
    reasons: tuple[Reason, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each reason.

        >>> Verdict("keep").codes
        ()
        """
        return tuple(reason.code for reason in self.reasons)


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
class SpeechStarted:
    """In a live stream somebody began to speak.

    Attributes:
        time: when, in seconds; the segment that follows starts there.
        heard: seconds of the stream after which it was sure.
    """

    time: float
    heard: float


@dataclass(frozen=True, slots=True, eq=False)
class EmotionReading:
    """What a live stream sounds like just now, before the speech has ended; provisional.

    Attributes:
        start: where the window begins that was listened to, in seconds.
        time: where it ends, which is how much of the stream had been heard.
        probabilities: float32 (9,), sum 1.
        smoothed: float32 (9,), the newest smoothed reading, which speaks of ``time - latency_seconds``; None
            without smoothing, before there is one, and where nobody spoke then.
        latency_seconds: of the smoothing; infinite where it waits for the end of the stream.
    """

    start: float
    time: float
    probabilities: Array
    smoothed: Array | None = None
    latency_seconds: float = 0.0

    @property
    def emotion(self) -> str:
        """The likeliest emotion, before smoothing."""
        return LABELS[int(self.probabilities.argmax())]


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEnded:
    """In a live stream a stretch of speech ended.

    Attributes:
        start: seconds.
        end: seconds.
        heard: seconds of the stream after which its end was known.
        recognition: of the stretch alone; its track has the times of the stream.
    """

    start: float
    end: float
    heard: float
    recognition: Recognition


@dataclass(frozen=True, slots=True, eq=False)
class StreamEnded:
    """A live stream is over.

    Attributes:
        recognition: of the whole, as a file of it gives that is cut at pauses.
    """

    recognition: Recognition


StreamEvent: TypeAlias = SpeechStarted | EmotionReading | SpeechEnded | StreamEnded
"""What a live stream tells, in the order of ``heard``."""


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
