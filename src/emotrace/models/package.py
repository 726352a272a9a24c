"""The model package: a folder with ``model.json`` (the card) and the files that it names, hashes checked.

No pickle: ONNX graphs, and text.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emotrace.errors import ModelError
from emotrace.labels import LABELS

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
    the utterance head on short overlapping windows is the default.

    Attributes:
        window: seconds of one window.
        hop: seconds from one window to the next; steps in between are interpolated linearly.
    """

    method: Literal["sliding-window"] = "sliding-window"
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


class ModelCard(_Record):
    """What a model is; the content of ``model.json``.

    Attributes:
        name: name by which it is asked for.
        family: ``"compact"`` or ``"emotion2vec"``.
        version: of the package.
        labels: the nine labels, in order.
        sampling_rate: Hz.
        frame_hop: seconds from one native frame to the next.
        frame_size: width of a frame embedding.
        embedding_size: width of the utterance embedding.
        min_seconds: shortest clip that it takes.
        speaker_reference: whether it uses one; then ``reference_size`` is its width.
        graphs: file of each precision.
        files: hash and size of each file of the package but the card.
        track: how emotion over time is read.
        temperature: logits are divided by it before the softmax.
        description: one sentence.
        training_data: what it was trained on.
        licence: SPDX expression or name.
        source: where it comes from.
        intended_use: what it is for.
        not_for: what it is not for.
        figures: measured figures.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    family: Literal["compact", "emotion2vec"]
    version: str
    labels: tuple[str, ...]
    sampling_rate: Literal[16000] = 16000
    frame_hop: float = Field(gt=0)
    frame_size: int = Field(gt=0)
    embedding_size: int = Field(gt=0)
    min_seconds: float = Field(ge=0)
    reference_size: int = Field(default=0, ge=0)
    graphs: dict[Literal["fp32", "int8"], str]
    files: dict[str, FileEntry]
    track: TrackMethod
    temperature: float = Field(default=1.0, gt=0)
    description: str
    training_data: str
    licence: str
    source: str
    intended_use: str
    not_for: str
    figures: tuple[Figure, ...] = ()

    @property
    def speaker_reference(self) -> bool:
        """Whether the model can use a speaker reference."""
        return self.reference_size > 0

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if self.labels != LABELS:
            raise ValueError(f"labels are {self.labels}; expected the nine, in order: {LABELS}")
        if self.track.window < self.min_seconds:
            raise ValueError(f"windows of {self.track.window} s are shorter than min_seconds")
        if missing := set(self.graphs.values()) - set(self.files):
            raise ValueError(f"graphs without a hash: {sorted(missing)}")
        for name in self.files:
            if name in ("", ".", "..", CARD_FILE) or set(name) & set("/\\:\0"):
                raise ValueError(f"file {name!r} is no name of a file in the package's own folder")
        return self


class ModelPackage:
    """A package on disk whose card is valid.

    Args:
        folder: holds ``model.json``.

    Raises:
        ModelError: no card, or a card that is not valid.

    Attributes:
        folder: where it lies.
        card: what the model is.

    >>> from emotrace.models import registry
    >>> package = ModelPackage(registry.builtin_folder())
    >>> len(package.file(package.card.graphs["fp32"])) < 8_000_000
    True
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card = read_card(folder)

    def file(self, name: str) -> bytes:
        """Content of a file of the package, after its hash was checked.

        Raises:
            ModelError: the file is missing, or is not the one that the card names.
        """
        path, entry = self.folder / name, self.card.files[name]
        try:
            size = path.stat().st_size
            content = path.read_bytes() if size == entry.bytes else b""
        except OSError as error:
            raise ModelError(
                f"model {self.card.name!r}: cannot read {str(path)!r} ({error.strerror}); "
                "expected a complete package; install it again"
            ) from error
        if size != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            what = (
                f"has {size} bytes, its card says {entry.bytes}"
                if size != entry.bytes
                else ("has another sha256 than its card says")
            )
            raise ModelError(
                f"model {self.card.name!r}: {str(path)!r} {what}; it is damaged or was changed; "
                "install it again"
            )
        return content

    def revision(self, graph: str) -> str:
        """First twelve hex digits of the hash of a graph."""
        return self.card.files[graph].sha256[:12]


def read_card(folder: Path) -> ModelCard:
    """Read and validate the card of a package folder.

    Raises:
        ModelError: there is none, or it is not valid.
    """
    path = folder / CARD_FILE
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"{str(folder)!r} is not a model package: {CARD_FILE} cannot be read ({error.strerror}); "
            "expected a folder with a card"
        ) from error
    except ValidationError as error:
        raise _invalid(repr(str(path)), error) from error


def _invalid(label: str, error: ValidationError) -> ModelError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the card"
    message = first["msg"].removeprefix("Value error, ")
    return ModelError(f"{label} is not a valid model card: {where}: {message}")


def write_package(folder: Path, files: dict[str, bytes], card: dict[str, Any]) -> ModelCard:
    """Write files and then the card that carries their hashes.

    Args:
        folder: made if it is not there.
        files: name and content.
        card: the fields of :class:`ModelCard` but ``files``.

    Raises:
        ModelError: the card is not valid; nothing is written then.
    """
    entries = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
    }
    try:
        valid = ModelCard.model_validate({**card, "files": entries})
    except ValidationError as error:
        raise _invalid("this", error) from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    text = valid.model_dump_json(indent=2)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")
    return valid
