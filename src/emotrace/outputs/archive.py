"""Archives of result folders: a zip that is read back and compared before anything is removed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from emotrace.errors import EmotraceError, InputError, OutputError
from emotrace.outputs.writing import output_error, replacing

SUFFIX = ".zip"
MANIFEST = "emotrace-archive.json"

_VERSION = 1
_STEP = 1024 * 1024
_STAMP = "%Y%m%d_%H%M%S"
_PART = re.compile(r"[^/\\\0:]+" if os.name == "nt" else r"[^/\0]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder that goes into an archive.

    Attributes:
        name: its place there; parts are separated by ``/``.
        folder: where it is; None has nothing but the extra files.
        extra: more files, by their names in it.
    """

    name: str
    folder: Path | None
    extra: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        size: bytes.
        sha256: of its content, in hexadecimal.
    """

    size: int
    sha256: str


def new_archive(folder: Path, when: datetime | None = None) -> Path:
    """The name of a new archive, ``emotrace_YYYYMMDD_HHMMSS_x.zip``.

    Args:
        folder: it shall be in; made if it is not there.
        when: local time; None is now.

    Raises:
        OutputError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    stamp = (when or datetime.now()).strftime(_STAMP)
    return folder / f"emotrace_{stamp}_{secrets.token_hex(3)}{SUFFIX}"


def write_archive(path: Path, entries: Iterable[Entry]) -> Path:
    """Write folders into a new archive, read it back from the disk, and compare every byte's hash.

    The archive is there under its name only when all of it was found right. The folders stay.

    Args:
        path: of the archive, which must not be there.
        entries: the folders.

    Returns:
        The path.

    Raises:
        InputError: a folder holds something else than files and folders, or changed meanwhile.
        OutputError: the archive cannot be written, or reads back wrong.
    """
    if os.path.lexists(path):
        raise OutputError(f"{str(path)!r} is there already; choose another name")
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            members: dict[str, Member] = {}
            for entry in entries:
                members |= _add(archive, entry)
            archive.writestr(MANIFEST, _manifest(members))
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _compare(temporary, path.name, members)
    return path


def check_archive(path: Path) -> dict[str, Member]:
    """Read an archive through; what it holds, by name.

    Raises:
        InputError: it is none, or damaged.
    """
    with _opened(path) as archive:
        members = _read_manifest(archive, path.name)
        for name, member in members.items():
            if _hash_of(archive, name, path.name) != member:
                raise InputError(f"the archive {path.name!r} is damaged: {name!r} has changed")
    return members


def folders_in(members: Iterable[str]) -> list[str]:
    """The folders that hold the files of an archive, in order.

    >>> folders_in(["outputs_1/result.json", "normal/outputs_2/result.json", "outputs_1/a/b.txt"])
    ['normal/outputs_2', 'outputs_1']
    """
    names = {name.rpartition("/")[0] for name in members} - {""}
    return sorted(each for each in names if not any(each.startswith(f"{other}/") for other in names))


def extract(path: Path, name: str, target: Path) -> None:
    """Take one folder out of an archive, checked, whole or not at all; never over something that is there.

    Args:
        path: of the archive.
        name: of the folder in it.
        target: what it shall be.

    Raises:
        InputError: the archive is damaged.
        OutputError: it cannot be written, or something of this name is there.
    """
    if os.path.lexists(target):
        raise OutputError(f"{str(target)!r} is there already and stays; move it away to restore it")
    hidden = target.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        hidden.mkdir(parents=True)
        with _opened(path) as archive:
            for key, member in _read_manifest(archive, path.name).items():
                if key.startswith(f"{name}/"):
                    place = hidden.joinpath(*key.removeprefix(f"{name}/").split("/"))
                    place.parent.mkdir(parents=True, exist_ok=True)
                    _extract(archive, key, place, member, path.name)
        if os.path.lexists(target):
            raise OutputError(f"{str(target)!r} is there already and stays; move it away to restore it")
        hidden.rename(target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _add(archive: zipfile.ZipFile, entry: Entry) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for place in [] if entry.folder is None else _files(entry.folder):
        name = _name_of(entry, place)
        before = place.stat()
        header = zipfile.ZipInfo.from_file(place, name, strict_timestamps=False)
        header.compress_type = zipfile.ZIP_DEFLATED
        with place.open("rb") as source, archive.open(header, "w") as out:
            members[name] = _copy(source, out)
        after = place.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{entry.name!r} was written to while it was archived; try again")
    for extra, content in entry.extra.items():
        name = f"{entry.name}/{extra}"
        archive.writestr(name, content)
        members[name] = Member(len(content), hashlib.sha256(content).hexdigest())
    return members


def _files(folder: Path) -> Iterator[Path]:
    """The regular files in a folder; what is no file or folder is refused, not left out."""

    def fail(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        for name in (*folders, *sorted(names)):
            kind = (Path(place) / name).lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise InputError(
                    f"{str(folder)!r} holds {name!r}, which is no regular file; it cannot be archived"
                )
        yield from (Path(place, name) for name in sorted(names))


def _name_of(entry: Entry, place: Path) -> str:
    name = f"{entry.name}/{place.relative_to(entry.folder or place).as_posix()}"
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name!a} is no name in UTF-8; rename it to archive it") from error
    return name


def _copy(source: IO[bytes], out: IO[bytes]) -> Member:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_STEP):
        digest.update(chunk)
        size += len(chunk)
        out.write(chunk)
    return Member(size, digest.hexdigest())


def _manifest(members: Mapping[str, Member]) -> bytes:
    files = {name: [member.size, member.sha256] for name, member in members.items()}
    return json.dumps({"version": _VERSION, "files": files}, ensure_ascii=True).encode()


def _compare(temporary: Path, name: str, members: Mapping[str, Member]) -> None:
    try:
        found = check_archive(temporary)
    except InputError as error:
        raise OutputError(f"the archive {name!r} reads back wrong; is the disk all right?") from error
    if found != dict(members):
        raise OutputError(f"the archive {name!r} reads back wrong; is the disk all right?")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except EmotraceError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{str(path)!r} does not exist; expected an archive") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"{str(path)!r} is no archive, or damaged: {error}") from error


def _read_manifest(archive: zipfile.ZipFile, name: str) -> dict[str, Member]:
    try:
        given: dict[str, Any] = json.loads(archive.read(MANIFEST))
        if given["version"] != _VERSION:
            raise InputError(f"the archive {name!r} is of another version; update emotrace")
        members = {key: Member(int(size), str(sha256)) for key, (size, sha256) in given["files"].items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{name!r} is no archive of emotrace; expected one with {MANIFEST}") from error
    for key in members:
        if not _is_inside(key):  # else it could write anywhere
            raise InputError(f"the archive {name!r} holds {key[:60]!r}, which is no place inside a folder")
    return members


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return len(parts) > 1 and all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)


def _hash_of(archive: zipfile.ZipFile, key: str, name: str) -> Member:
    try:
        with archive.open(key) as file:
            digest, size = hashlib.sha256(), 0
            while chunk := file.read(_STEP):
                digest.update(chunk)
                size += len(chunk)
            return Member(size, digest.hexdigest())
    except KeyError as error:
        raise InputError(f"the archive {name!r} is damaged: {key!r} is missing") from error


def _extract(archive: zipfile.ZipFile, key: str, place: Path, member: Member, name: str) -> None:
    with archive.open(key) as source, place.open("xb") as out:
        if _copy(source, out) != member:
            raise InputError(f"the archive {name!r} is damaged: {key!r} has changed")
