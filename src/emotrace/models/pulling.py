"""From the name of a published checkpoint to an installed model: download, check, convert."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from emotrace.errors import ModelError, OutputError
from emotrace.models import hub_huggingface, hub_modelscope
from emotrace.models.catalogue import Hub, Published, published
from emotrace.models.conversion import PRECISIONS, Origin, check_request, convert
from emotrace.models.hub import OnProgress, Snapshot, locked
from emotrace.models.hub_errors import require_hub_library
from emotrace.models.package import read_card
from emotrace.models.registry import home, installed

_HUBS: dict[Hub, ModuleType] = {"huggingface": hub_huggingface, "modelscope": hub_modelscope}

BYTES_PER_PARAMETER = 12
"""Disk that a conversion takes: the weights as float32 twice, as int8, and room for what comes and goes."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to.

    Attributes:
        folder: of the model.
        already: whether it was installed before, so that nothing was done.
        kept: folder with the downloaded files, if they were left where they are.
        warnings: what the user should know.
    """

    folder: Path
    already: bool = False
    kept: Path | None = None
    warnings: tuple[str, ...] = ()


def pull(
    name: str,
    *,
    hub: str = "auto",
    revision: str | None = None,
    source: Path | None = None,
    install_as: str | None = None,
    precisions: Sequence[str] = PRECISIONS,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Pulled:
    """Download a published checkpoint, convert it and install it.

    Args:
        name: one of :data:`emotrace.models.catalogue.CATALOGUE`.
        hub: ``"huggingface"``, ``"modelscope"``, or ``"auto"``: Hugging Face where it is there.
        revision: branch, tag or commit; None is the newest. It is resolved to a commit first.
        source: folder with the published files: nothing is downloaded then.
        install_as: name to install it under; None is its own.
        precisions: of the graphs to make.
        force: replace what is installed under the name.
        on_progress: told each step, how much of it is done and how much there is.

    Raises:
        ModelNotFoundError: no checkpoint is known by this name, or not on this hub.
        DownloadError: the hub cannot be reached, or gives something else than it lists.
        OutputError: there is not enough space on the disk, or something cannot be written.
        ModelError: another revision is installed, or the checkpoint cannot be converted.
        OptionError: no such hub or precision, or no name for a model.
        MissingExtraError: the extra ``convert`` is not installed.
    """
    row = published(name)
    require_hub_library()
    chosen = row.hub(hub)
    target = install_as or name
    check_request(target, precisions)
    with _alone(target, on_progress):
        there = None if force else installed().get(target)
        if there is not None and (revision is None or _is_from(there, revision)):
            return Pulled(there, already=True)
        if source is not None:
            origin = Origin("folder", name, revision)
            made = convert(source, target, precisions, force=force, on_progress=on_progress, origin=origin)
            return Pulled(made.folder, warnings=made.warnings)
        snapshot = _HUBS[chosen].look(row.repositories[chosen], revision)
        if there is not None:
            _require_same(there, snapshot)
            return Pulled(there, already=True)
        _check_space(row, snapshot)
        checkpoint = _HUBS[chosen].download(snapshot, on_progress)
        origin = Origin(chosen, snapshot.repository, snapshot.revision)
        folder = checkpoint.folder
        made = convert(folder, target, precisions, force=force, on_progress=on_progress, origin=origin)
        if not checkpoint.keep:
            shutil.rmtree(folder, ignore_errors=True)
        return Pulled(made.folder, kept=folder if checkpoint.keep else None, warnings=made.warnings)


@contextmanager
def _alone(target: str, on_progress: OnProgress | None) -> Iterator[None]:
    """Another pull of the same model waits, and then finds it installed."""
    lock = home() / "downloads" / ".locks" / f"{target}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(
            f"{str(lock.parent)!r} cannot be made ({problem.strerror}); check the permissions there, or set "
            "EMOTRACE_HOME to another folder"
        ) from problem
    with locked(lock, f"wait for another pull of {target}", on_progress):
        yield


def _is_from(folder: Path, revision: str) -> bool:
    """Whether an installed model was made from a revision."""
    provenance = read_card(folder).provenance
    return bool(provenance and provenance.revision and provenance.revision.startswith(revision))


def _require_same(folder: Path, snapshot: Snapshot) -> None:
    """Refuse another revision than the one that is installed.

    Raises:
        ModelError: it is another one.
    """
    if not _is_from(folder, snapshot.revision):
        raise ModelError(
            f"model {folder.name!r} is installed from another revision than {snapshot.asked!r}; use --force "
            "to replace it, or --name to install this one beside it"
        )


def _check_space(row: Published, snapshot: Snapshot) -> None:
    """Refuse what the disks have no room for, before anything is downloaded.

    Raises:
        OutputError: there is too little.
    """
    missing, cache = _HUBS[snapshot.hub].missing_bytes(snapshot)
    conversion = row.parameters * BYTES_PER_PARAMETER * 1_000_000
    models = home() / "models"
    if _disk(cache) == _disk(models):
        _require(models, missing + conversion, f"pulling {row.name!r}")
    else:
        _require(cache, missing, f"downloading {row.name!r}")
        _require(models, conversion, f"converting {row.name!r}")


def _require(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(_existing(folder)).free
    if free < needed:
        raise OutputError(
            f"{what} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free in {str(folder)!r}; make "
            "room, or set EMOTRACE_HOME (models) and HF_HOME (downloads) to a larger disk"
        )


def _disk(folder: Path) -> int:
    return _existing(folder).stat().st_dev


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
