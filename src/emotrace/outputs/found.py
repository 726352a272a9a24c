"""The results that are in a root: what they are called, how old and how large they are."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from emotrace.errors import InputError
from emotrace.outputs.archive_reading import SORTED
from emotrace.outputs.folder import RESULT_FILE

_NAME = re.compile(r"(outputs|batch|run)_.+")
_STAMP = re.compile(r"outputs_(\d{8}_\d{6})")
_STATE = ".batch"
_FIELDS = ("emotion", "confidence", "scores")
_MOST_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """A result that may go.

    Attributes:
        name: of its folder in the root, or the id of a recognition of the service.
        made: local time, without a zone; of a batch when it was last written to.
        bytes: of its files.
        emotion: that was recognised; None for a batch.
        decision: of the verdict; None if there is none.
        source: what was recognised.
    """

    name: str
    made: datetime
    bytes: int
    emotion: str | None = None
    decision: str | None = None
    source: str | None = None


def items_of(root: Path) -> list[Item]:
    """The results in a root: folders ``outputs_*``, ``batch_*`` and ``run_*``, sorted ones as well.

    Links are not followed, and folders that hold no results are not seen.

    Raises:
        InputError: the root cannot be read.
    """
    return [item for place in _folders(root) if (item := _item(root, place)) is not None]


def _folders(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        raise InputError(f"there is no folder {str(root)!r}; expected one with results (outputs_*, batch_*)")
    for base in (root, *(root / name for name in SORTED)):
        if base != root and (base.is_symlink() or not base.is_dir()):
            continue
        try:
            with os.scandir(base) as entries:
                names = sorted(e.name for e in entries if _NAME.fullmatch(e.name) and _is_folder(e))
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise InputError(
                f"{str(base)!r} cannot be read: {reason}; expected a folder with results"
            ) from error
        yield from (base / name for name in names)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _item(root: Path, place: Path) -> Item | None:
    name = place.relative_to(root).as_posix()
    try:
        newest, size = measured(place)
        written = datetime.fromtimestamp(newest)
        if not place.name.startswith("outputs_"):
            return Item(name, written, size) if _holds_a_batch(place) else None
        record = _record(place / RESULT_FILE)
        made = _stamped(place) or written
        if record is None or (record and record.keys().isdisjoint(_FIELDS)):  # of another program
            return None
        return Item(name, made, size, **_told(record))
    except OSError:  # it is being removed
        return None


def _told(record: Mapping[str, Any]) -> dict[str, str | None]:
    """What a record says of its result; anybody may have written it."""
    verdict = record.get("verdict")
    told = {
        "emotion": record.get("emotion"),
        "decision": verdict.get("decision") if isinstance(verdict, dict) else None,
        "source": record.get("source"),
    }
    return {name: value if isinstance(value, str) else None for name, value in told.items()}


def _holds_a_batch(place: Path) -> bool:
    """Whether a batch, of today or of the classic kind, was written there; anybody has a results.csv."""
    if (place / _STATE / "run.json").is_file() or any(place.glob("*_result.json")):
        return True
    return "total_files" in (_record(place / "summary.json") or {})


def is_running(place: Path) -> bool:
    """Whether a batch or a watch holds the lock of its folder."""
    if sys.platform == "win32":  # where a folder with an open file in it cannot be moved
        return False
    import fcntl

    try:
        with (place / _STATE / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _record(file: Path) -> dict[str, Any] | None:
    """What a file holds; None if it is not there, {} if it cannot be read."""
    if file.is_symlink() or not file.is_file():
        return None
    with suppress(ValueError, RecursionError):
        if file.stat().st_size <= _MOST_BYTES and isinstance(found := json.loads(file.read_bytes()), dict):
            return found
    return {}


def _stamped(place: Path) -> datetime | None:
    """The time in the name of a result folder."""
    match = _STAMP.match(place.name)
    with suppress(ValueError):
        return datetime.strptime(match[1], "%Y%m%d_%H%M%S") if match else None
    return None


def measured(place: Path) -> tuple[float, int]:
    """When a folder was last written to, and the bytes of its files."""
    newest, size = place.stat().st_mtime, 0
    for base, _, names in os.walk(place):
        for name in names:
            status = (Path(base) / name).lstat()
            newest, size = max(newest, status.st_mtime), size + status.st_size
    return newest, size
