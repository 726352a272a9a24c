"""Archives of result folders: a zip that is read back and compared before anything is removed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from emotrace.errors import InputError, OutputError
from emotrace.outputs.archive_reading import MANIFEST, VERSION, Archive, Member, copied
from emotrace.outputs.writing import output_errors, replacing

SUFFIX = ".zip"
_STAMP = "%Y%m%d_%H%M%S"


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
            members[name] = copied(source, out)
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
                    f"{str(folder)!r} holds {name!r}, which is no regular file; it stays as it is"
                )
        yield from (Path(place, name) for name in sorted(names))


def _name_of(entry: Entry, place: Path) -> str:
    name = f"{entry.name}/{place.relative_to(entry.folder or place).as_posix()}"
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name!a} is no name in UTF-8; rename it to archive it") from error
    return name


def _manifest(members: Mapping[str, Member]) -> bytes:
    files = {name: [member.size, member.sha256] for name, member in members.items()}
    return json.dumps({"version": VERSION, "files": files}, ensure_ascii=True).encode()


def _compare(temporary: Path, name: str, members: Mapping[str, Member]) -> None:
    try:
        with Archive(temporary) as archive:
            archive.check()
            same = archive.members == dict(members)
    except InputError as error:
        raise OutputError(f"the archive {name!r} reads back wrong; is the disk all right?") from error
    if not same:
        raise OutputError(f"the archive {name!r} reads back wrong; is the disk all right?")
