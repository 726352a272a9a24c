"""The model package: a folder with ``model.json`` (the card) and the files that it names, hashes checked.

No pickle: ONNX graphs, safetensors, and text. Large files are read block by block, never into memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emotrace.errors import ModelError
from emotrace.models.card import (
    CARD_FILE,
    SCHEMA_VERSION,
    Figure,
    FileEntry,
    Int8Figures,
    ModelCard,
    Parity,
    Provenance,
    TrackMethod,
)

__all__ = [
    "CARD_FILE",
    "SCHEMA_VERSION",
    "Figure",
    "FileEntry",
    "Int8Figures",
    "ModelCard",
    "ModelPackage",
    "Parity",
    "Provenance",
    "TrackMethod",
    "entry_of",
    "read_card",
    "seal_package",
    "write_package",
]

BLOCK = 1 << 20


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
        """Content of a small file of the package, after its hash was checked.

        Raises:
            ModelError: the file is missing, or is not the one that the card names.
        """
        with self._readable(name):
            content = self.sized(name).read_bytes()
        self._compare(name, hashlib.sha256(content).hexdigest(), len(content))
        return content

    def sized(self, name: str) -> Path:
        """Path of a file of the package, after its size was checked, but not its content.

        Raises:
            ModelError: the file is missing or has another size.
        """
        path, entry = self.folder / name, self.card.files[name]
        with self._readable(name):
            size = path.stat().st_size
        if size != entry.bytes:
            raise self._damaged(name, f"has {size} bytes, its card says {entry.bytes}")
        return path

    def check(self, name: str, on_progress: Callable[[int], object] | None = None) -> Path:
        """Path of a file of the package, after its hash was checked block by block.

        Args:
            name: of the file.
            on_progress: called with the bytes of each block.

        Raises:
            ModelError: the file is missing, or is not the one that the card names.
        """
        path = self.sized(name)
        with self._readable(name):
            found = entry_of(path, on_progress)
        self._compare(name, found.sha256, found.bytes)
        return path

    def files_of(self, graph: str) -> list[str]:
        """A graph file and those with its weights."""
        return [graph, *self.card.external.get(graph, ())]

    def revision(self, graph: str) -> str:
        """First twelve hex digits of the hash of a graph; of all hashes where its weights lie beside it."""
        names = self.files_of(graph)
        if len(names) == 1:
            return self.card.files[graph].sha256[:12]
        joined = "".join(self.card.files[name].sha256 for name in names)
        return hashlib.sha256(joined.encode()).hexdigest()[:12]

    @contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ModelError(
                f"model {self.card.name!r}: cannot read {str(self.folder / name)!r} ({error.strerror}); "
                "expected a complete package; install it again"
            ) from error

    def _compare(self, name: str, sha256: str, size: int) -> None:
        if sha256 != self.card.files[name].sha256 or size != self.card.files[name].bytes:
            raise self._damaged(name, "has another sha256 than its card says")

    def _damaged(self, name: str, what: str) -> ModelError:
        return ModelError(
            f"model {self.card.name!r}: {str(self.folder / name)!r} {what}; it is damaged or was changed; "
            "install it again"
        )


def entry_of(path: Path, on_progress: Callable[[int], object] | None = None) -> FileEntry:
    """Hash and size of a file, read block by block.

    Raises:
        OSError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(BLOCK))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            size += count
            if on_progress:
                on_progress(count)
    return FileEntry(sha256=digest.hexdigest(), bytes=size)


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
    valid = _with_files(
        card,
        {
            name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
            for name, content in files.items()
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _write_card(folder, valid)
    return valid


def seal_package(
    folder: Path,
    card: dict[str, Any],
    names: Iterable[str] | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> ModelCard:
    """Write the card of files that lie in a folder already, and see that all of it is on the disk.

    Args:
        folder: holds the files.
        card: the fields of :class:`ModelCard` but ``files``.
        names: of the files; None is every file in the folder but a card.
        on_progress: called with the bytes of each block that was hashed.

    Raises:
        ModelError: the card is not valid; it is not written then.
        OSError: a file cannot be read, or the card not be written.
    """
    if names is None:
        names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != CARD_FILE)
    entries = {}
    for name in names:
        entries[name] = entry_of(folder / name, on_progress)
        _sync(folder / name)
    valid = _with_files(card, entries)
    _write_card(folder, valid)
    _sync(folder / CARD_FILE)
    return valid


def _with_files(card: dict[str, Any], entries: dict[str, FileEntry]) -> ModelCard:
    try:
        return ModelCard.model_validate({**card, "files": entries})
    except ValidationError as error:
        raise _invalid("this", error) from error


def _write_card(folder: Path, card: ModelCard) -> None:
    text = card.model_dump_json(indent=2)
    (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
