"""What is installed and what could be, in one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emotrace.errors import ModelError
from emotrace.models.catalogue import CATALOGUE, LICENCE, Published
from emotrace.models.package import ModelPackage
from emotrace.models.registry import installed


@dataclass(frozen=True, slots=True)
class Row:
    """A model that is installed, or that can be pulled.

    Attributes:
        name: by which it is asked for.
        installed: whether it is there.
        default: whether it is used unless another is asked for.
        folder: where it is.
        problem: what is wrong with its package.
        family: ``"compact"`` or ``"emotion2vec"``.
        version: of the package.
        precisions: that it can run in.
        embeddings_only: whether it names no emotions.
        bytes: of its files.
        licence: of its weights.
        description: one sentence.
        pull: the command that gets it.
    """

    name: str
    installed: bool
    default: bool = False
    folder: str | None = None
    problem: str | None = None
    family: str | None = None
    version: str | None = None
    precisions: tuple[str, ...] | None = None
    embeddings_only: bool | None = None
    bytes: int | None = None
    licence: str | None = None
    description: str | None = None
    pull: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def rows() -> list[Row]:
    """Installed models, best first, then those that can be pulled.

    Raises:
        ModelError: the folder of the installed models may not be read.

    >>> [row.name for row in rows() if row.installed and row.family == "compact"]
    ['compact']
    """
    found: list[Row] = []
    for name, folder in installed().items():
        taken = any(row.default for row in found)
        found.append(_row(name, folder, taken))
    there = {row.name for row in found}
    return found + [_absent(row) for row in CATALOGUE.values() if row.name not in there]


def problem_of(package: ModelPackage) -> str | None:
    """What is wrong with the files of a package, as far as their sizes show it."""
    try:
        for name in package.card.files:
            package.sized(name)
    except ModelError as problem:
        return str(problem)
    return None


def _row(name: str, folder: Path, taken: bool) -> Row:
    try:
        package = ModelPackage(folder)
    except ModelError as problem:
        return Row(name, True, not taken, str(folder), str(problem))
    card = package.card
    return Row(
        name,
        True,
        default=card.has_head and not taken,
        folder=str(folder),
        problem=problem_of(package),
        family=card.family,
        version=card.version,
        precisions=tuple(card.graphs),
        embeddings_only=not card.has_head,
        bytes=card.total_bytes,
        licence=card.licence,
        description=card.description,
    )


def _absent(row: Published) -> Row:
    return Row(
        row.name,
        False,
        family="emotion2vec",
        licence=LICENCE,
        description=row.note,
        pull=f"emotrace models pull {row.name}",
    )
