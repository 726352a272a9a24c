"""What is answered, for the OpenAPI document; a test holds these against the records that are written.

Where a record is one of the library's own, field by field, it is that one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from emotrace.models.listing import Row
from emotrace.outputs import Granularity
from emotrace.postprocess.presets import Preset
from emotrace.postprocess.rules import Rules
from emotrace.results import ChangePoint, ModelInfo, Segment
from emotrace.server.models import State


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Answer):
    """An error (RFC 9457); ``request`` is the id under which the server's log tells of it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request: str | None = None


class Score(_Answer):
    """A label and its probability."""

    emotion: str
    score: float


class Quality(_Answer):
    """What a recording is like; null is not known, or not looked for."""

    level_db: float | None
    peak_db: float | None
    clipping_share: float | None
    dc_offset: float | None
    silence_share: float | None
    bandwidth_hz: float | None
    snr_db: float | None
    speech_share: float | None
    speech_seconds: float | None
    music_share: float | None
    noise_share: float | None
    several_speakers: float | None
    content: str | None


class Smoothing(_Answer):
    """How a track was smoothed; a latency of null is the whole recording."""

    method: str
    latency_seconds: float | None


class Reason(_Answer):
    """Why a result is not simply kept."""

    code: str
    decision: str
    value: float | None
    threshold: float | None
    sentence: str
    sentence_zh: str
    advice: str
    advice_zh: str


class Verdict(_Answer):
    """Whether a result is to be believed."""

    decision: Literal["keep", "flag", "drop"]
    reasons: list[Reason]


class ClassicFrame(_Answer):
    """The likeliest emotion of one step."""

    emotion: str
    score: float
    timestamp: float


class Frame(ClassicFrame):
    """One step, with all its scores."""

    scores: dict[str, float]


class Recognition(_Answer):
    """The emotion of one recording: ``result.json``, with frames and embedding where they were asked for."""

    emotion: str
    confidence: float
    scores: dict[str, float]
    granularity: Granularity
    timestamp: str
    schema_version: int
    source: str
    top: list[Score]
    quality: Quality
    model: ModelInfo
    duration_seconds: float
    speech_seconds: float | None
    segments: list[Segment]
    shares: dict[str, float]
    reference: Literal["none", "given", "recording", "batch"]
    track_method: str | None
    warnings: list[str]
    change_points: list[ChangePoint]
    smoothing: Smoothing | None
    verdict: Verdict | None
    embedding: list[float] | None = None
    frames: list[Frame] | None = None
    id: str | None = None
    not_kept: str | None = None


class Classic(_Answer):
    """The answer of the classic endpoint: one item, the result or the list of frames."""

    data: list[Recognition | list[ClassicFrame]]
    duration: float


class ModelRow(_Answer):
    """A model that is installed."""

    name: str
    state: State
    default: bool
    family: str | None
    version: str | None
    precisions: tuple[str, ...] | None
    embeddings_only: bool | None
    bytes: int | None
    licence: str | None
    description: str | None

    @classmethod
    def of(cls, row: Row, state: State, default: bool) -> ModelRow:
        """A row of the library's list, without what is this machine's own business."""
        shared = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(**{**shared, "state": state, "default": default})


class ModelList(_Answer):
    """All installed models, best first."""

    models: list[ModelRow]


class PresetRow(_Answer):
    """Rules of a verdict; a threshold of null is off."""

    name: str
    description: str
    rules: Rules

    @classmethod
    def of(cls, preset: Preset) -> PresetRow:
        """A preset, without the file that it is from."""
        return cls(name=preset.name, description=preset.description, rules=preset.rules)


class PresetList(_Answer):
    """All presets."""

    presets: list[PresetRow]


class Health(_Answer):
    """The process answers."""

    status: Literal["ok"]


class Readiness(_Answer):
    """A recognition would be answered now; ``jobs`` are stuck while their queue cannot be used."""

    status: Literal["ready"]
    jobs: Literal["ready", "stuck"]
