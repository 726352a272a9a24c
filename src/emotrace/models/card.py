"""The model card: what a model is, where it comes from, what was measured; the content of ``model.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emotrace.labels import LABELS
from emotrace.models.emotion2vec_config import Emotion2vecConfig

CARD_FILE = "model.json"
SCHEMA_VERSION: Literal[1] = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Record):
    """A file of the package.

    Attributes:
        sha256: 64 hex digits.
        bytes: its size.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class TrackMethod(_Record):
    """How emotion over time is read off the model.

    A network that was trained on clips of one emotion hardly changes its frame outputs inside a clip, so
    the utterance head on short overlapping windows is the default. ``"frame-head"`` is the head on every
    native frame of the pass that recognises the whole: finer, and at no further cost.

    Attributes:
        method: which of the two.
        window: seconds of one window; the frame head looks this far for speech around a frame.
        hop: seconds from one window to the next; steps in between are interpolated linearly.
    """

    method: Literal["sliding-window", "frame-head"] = "sliding-window"
    window: float = Field(ge=0.01, le=60)
    hop: float = Field(ge=0.01, le=60)


class Figure(_Record):
    """A measured figure: never stated without corpus, split and command.

    Attributes:
        name: what was measured.
        value: the figure.
        interval: 95 % interval, if there is one.
        corpus: on which clips.
        split: which speakers.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    corpus: str
    split: str


class Int8Figures(_Record):
    """How far the int8 graph is from the fp32 graph, measured where it was made.

    Attributes:
        utterance_agreement: share of clips, 0 to 1, whose likeliest label is the same.
        frame_agreement: share of frames, 0 to 1, whose likeliest label is the same.
        utterance_change: largest change of any probability of a clip.
        frame_change: largest change of any probability of a frame.
        speed_ratio: time of fp32 divided by time of int8, same clips and threads.
        clips: how many clips were measured.
        speech: which speech they were of.
        lowest_agreement: bound on both agreements.
        largest_change: bound on both changes.
        cpu: name of the CPU.
        instructions: its integer matrix instructions (:func:`emotrace.models.cpu.int8_instructions`): on
            others the figures do not hold.
        runtime: for example ``"onnxruntime 1.31.1"``.
    """

    utterance_agreement: float = Field(ge=0, le=1)
    frame_agreement: float = Field(ge=0, le=1)
    utterance_change: float = Field(ge=0, le=1)
    frame_change: float = Field(ge=0, le=1)
    speed_ratio: float = Field(gt=0)
    clips: int = Field(ge=1)
    speech: str
    lowest_agreement: float = 0.99
    largest_change: float = 0.03
    cpu: str
    instructions: str
    runtime: str

    @property
    def within_bound(self) -> bool:
        """Whether the int8 graph may be offered."""
        agreement = min(self.utterance_agreement, self.frame_agreement)
        change = max(self.utterance_change, self.frame_change)
        return agreement >= self.lowest_agreement and change <= self.largest_change


class Parity(_Record):
    """How far the fp32 graph was from the source network, and a file to see it again without that network.

    Attributes:
        file: safetensors file with inputs' spans and the source network's outputs.
        frames_max_abs: largest difference of any frame feature when the package was made.
        probability_max_abs: largest difference of any probability then.
        frames_tolerance: bound on the first of them.
        probability_tolerance: bound on the second.
        runtime: for example ``"onnxruntime 1.31.1"``.
    """

    file: str
    frames_max_abs: float = Field(ge=0)
    probability_max_abs: float = Field(ge=0)
    frames_tolerance: float = Field(gt=0)
    probability_tolerance: float = Field(gt=0)
    runtime: str


class Provenance(_Record):
    """The checkpoint that a package was made from.

    Attributes:
        hub: where it was downloaded, or ``"folder"``.
        origin: name on the hub, or name of the folder.
        revision: commit or tag on the hub.
        checkpoint_sha256: of the file with the weights.
        checkpoint_bytes: its size.
        converted_with: for example ``"emotrace 0.1.0"``.
    """

    hub: Literal["huggingface", "modelscope", "folder"] = "folder"
    origin: str
    revision: str | None = None
    checkpoint_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    checkpoint_bytes: int = Field(ge=0)
    converted_with: str


class ModelCard(_Record):
    """What a model is; the content of ``model.json``.

    Attributes:
        name: name by which it is asked for.
        family: ``"compact"`` or ``"emotion2vec"``.
        version: of the package.
        labels: the nine labels, in order; none for a model without a head, which gives embeddings only.
        masked: those of the labels that the model cannot give.
        sampling_rate: Hz.
        frame_hop: seconds from one native frame to the next.
        frame_size: width of a frame embedding.
        embedding_size: width of the utterance embedding.
        min_seconds: shortest clip that it takes.
        max_seconds: longest clip that it takes in one piece, because its memory grows with the square; None
            where it does not.
        speaker_reference: whether it uses one; then ``reference_size`` is its width.
        graphs: ONNX file of each precision.
        external: files with the weights of an ONNX file that are not inside it.
        weights: safetensors file with the weights of the torch network, float32.
        network: sizes of the torch network (family ``"emotion2vec"``).
        files: hash and size of each file of the package but the card.
        track: how emotion over time is read.
        temperature: logits are divided by it before the softmax.
        description: one sentence.
        training_data: what it was trained on.
        licence: SPDX expression or name.
        attribution: what has to be said with the model's name.
        source: where it comes from.
        provenance: of a converted checkpoint.
        int8: what was measured of the int8 graph; also there if it was found wanting and left out.
        parity: how the conversion was checked.
        intended_use: what it is for.
        not_for: what it is not for.
        figures: measured figures.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    family: Literal["compact", "emotion2vec"]
    version: str
    labels: tuple[str, ...]
    masked: tuple[str, ...] = ()
    sampling_rate: Literal[16000] = 16000
    frame_hop: float = Field(gt=0)
    frame_size: int = Field(gt=0)
    embedding_size: int = Field(gt=0)
    min_seconds: float = Field(ge=0)
    max_seconds: float | None = Field(default=None, gt=0)
    reference_size: int = Field(default=0, ge=0)
    graphs: dict[Literal["fp32", "int8"], str]
    external: dict[str, tuple[str, ...]] = {}
    weights: str | None = None
    network: Emotion2vecConfig | None = None
    files: dict[str, FileEntry]
    track: TrackMethod
    temperature: float = Field(default=1.0, gt=0)
    description: str
    training_data: str
    licence: str
    attribution: str | None = None
    source: str
    provenance: Provenance | None = None
    int8: Int8Figures | None = None
    parity: Parity | None = None
    intended_use: str
    not_for: str
    figures: tuple[Figure, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Size of all files together."""
        return sum(entry.bytes for entry in self.files.values())

    @property
    def speaker_reference(self) -> bool:
        """Whether the model can use a speaker reference."""
        return self.reference_size > 0

    @property
    def has_head(self) -> bool:
        """Whether the model names emotions; else it gives embeddings only."""
        return bool(self.labels)

    def named_files(self) -> set[str]:
        """Files that a field of the card names."""
        names = {*self.graphs.values(), *self.external}
        names.update(*self.external.values())
        return (
            names
            | ({self.weights} if self.weights else set())
            | ({self.parity.file} if self.parity else set())
        )

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        headless = self.family == "emotion2vec" and not self.labels
        if self.labels != LABELS and not headless:
            raise ValueError(f"labels are {self.labels}; expected the nine, in order: {LABELS}")
        if self.masked and not set(self.masked) < set(self.labels):
            raise ValueError(f"masked labels are {self.masked}; expected some of the labels, not all")
        if (self.family == "emotion2vec") != (self.network is not None):
            raise ValueError(f"a model of family {self.family!r} and its network do not fit together")
        if self.track.window < self.min_seconds:
            raise ValueError(f"windows of {self.track.window} s are shorter than min_seconds")
        if self.max_seconds is not None and self.max_seconds < max(self.track.window, self.min_seconds):
            raise ValueError(f"max_seconds {self.max_seconds} is shorter than a window or min_seconds")
        if missing := self.named_files() - set(self.files):
            raise ValueError(f"graphs without a hash: {sorted(missing)}")
        for name in self.files:
            if name in ("", ".", "..", CARD_FILE) or set(name) & set("/\\:\0"):
                raise ValueError(f"file {name!r} is no name of a file in the package's own folder")
        return self
