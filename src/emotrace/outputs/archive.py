"""Archives of result folders: a zip that is read back and compared before anything is removed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from emotrace.errors import InputError, OutputError
from emotrace.outputs.writing import output_errors, replacing

SUFFIX = ".zip"
MANIFEST = "emotrace-archive.json"

SORTED = ("normal", "low_quality")
"""Folders of sorted results, whose folders are archived with their names before them."""

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
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
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


class Archive:
    """An archive that is read; a context.

    Args:
        path: of it.

    Raises:
        InputError: it is none, or damaged.

    Attributes:
        members: what it says that it holds, by name.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        with _in_words(self._name):
            self._zip = zipfile.ZipFile(path)
        try:
            with _in_words(self._name):
                self.members = self._manifest()
        except BaseException:
            self._zip.close()
            raise

    @property
    def folders(self) -> list[str]:
        """Names of the folders in it, in order."""
        return sorted({_folder_of(name) for name in self.members})

    def check(self) -> None:
        """Read all of it.

        Raises:
            InputError: it is damaged.
        """
        for name, member in self.members.items():
            self._copy(name, member, None)

    def read(self, name: str) -> bytes:
        """A small file in it.

        Raises:
            InputError: there is none, or it is damaged.
        """
        out = io.BytesIO()
        if name not in self.members:
            raise InputError(f"the archive {self._name!r} holds no {name!r}")
        self._copy(name, self.members[name], out)
        return out.getvalue()

    def extract(self, name: str, target: Path) -> None:
        """Take a folder out, whole or not at all; never over something that is there.

        Args:
            name: of the folder.
            target: what it shall be.

        Raises:
            InputError: the archive is damaged.
            OutputError: it cannot be written, or something of this name is there.
        """
        hidden = target.with_name(f".{secrets.token_hex(6)}.tmp")
        try:
            with output_errors(target):
                _refuse(target)
                hidden.mkdir(parents=True)
                self.extract_into(name, hidden)
                _refuse(target)
                hidden.rename(target)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    def extract_into(self, name: str, folder: Path, leave_out: Collection[str] = ()) -> None:
        """Write the files of a folder into one that is there and empty.

        Args:
            name: of the folder.
            folder: that they are written into.
            leave_out: files that are not written.

        Raises:
            InputError: the archive is damaged.
            OSError: they cannot be written.
        """
        for key, member in self.members.items():
            inside = key.removeprefix(f"{name}/")
            if _folder_of(key) != name or inside in leave_out:
                continue
            place = folder.joinpath(*inside.split("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                self._copy(key, member, out)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _copy(self, name: str, member: Member, out: IO[bytes] | None) -> None:
        try:
            with _in_words(self._name), self._zip.open(name) as source:
                found = _copy(source, None if out is None else _Writer(out))
        except KeyError as error:
            raise InputError(f"the archive {self._name!r} is damaged: {name!r} is missing") from error
        except _WriteError as error:
            raise error.problem from error
        if found != member:
            raise InputError(f"the archive {self._name!r} is damaged: {name!r} has changed")

    def _manifest(self) -> dict[str, Member]:
        try:
            given: dict[str, Any] = json.loads(self._zip.read(MANIFEST))
            version = given["version"]
            members = {key: Member(int(size), str(sha)) for key, (size, sha) in given["files"].items()}
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self._name!r} is no archive of emotrace; expected one with {MANIFEST}"
            ) from error
        if version != _VERSION:
            raise InputError(f"the archive {self._name!r} is of another version; update emotrace")
        for key in members:
            if not _is_inside(key):  # else it could write anywhere
                raise InputError(
                    f"the archive {self._name!r} holds {key[:60]!r}, which is no place in a folder"
                )
        return members


def signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every file in a folder, which tell whether it changed.

    Raises:
        InputError: it holds something else than files and folders.
        OSError: it cannot be read.
    """
    places = [(place, place.stat()) for place in _files(folder)]
    return tuple((str(place.relative_to(folder)), s.st_size, s.st_mtime_ns) for place, s in places)


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


def _copy(source: IO[bytes], out: IO[bytes] | _Writer | None) -> Member:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_STEP):
        digest.update(chunk)
        size += len(chunk)
        if out is not None:
            out.write(chunk)
    return Member(size, digest.hexdigest())


def _manifest(members: Mapping[str, Member]) -> bytes:
    files = {name: [member.size, member.sha256] for name, member in members.items()}
    return json.dumps({"version": _VERSION, "files": files}, ensure_ascii=True).encode()


def _compare(temporary: Path, name: str, members: Mapping[str, Member]) -> None:
    try:
        with Archive(temporary) as archive:
            archive.check()
            same = archive.members == dict(members)
    except InputError as error:
        raise OutputError(f"the archive {name!r} reads back wrong; is the disk all right?") from error
    if not same:
        raise OutputError(f"the archive {name!r} reads back wrong; is the disk all right?")


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{name!r} does not exist; expected an archive") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"{name!r} is no archive, or damaged: {error}") from error
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError(f"{name!r} cannot be read: {reason}; expected an archive") from error


def _refuse(target: Path) -> None:
    if os.path.lexists(target):
        raise OutputError(f"{target.name!r} is there already and stays; move it away to restore it")


def _folder_of(name: str) -> str:
    """The result folder that a file is of: all before the first part that is no folder of sorted results."""
    parts = name.split("/")
    return "/".join(parts[: 2 if parts[0] in SORTED and len(parts) > 2 else 1])


class _WriteError(Exception):
    """Writing failed, not reading."""

    def __init__(self, problem: OSError) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Writer:
    """Keeps errors of the target apart from those of the archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            raise _WriteError(error) from error


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return len(parts) > 1 and all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
