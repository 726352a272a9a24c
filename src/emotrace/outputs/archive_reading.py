"""Archives that are read: checked against their list of hashes, and never written over anything."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from emotrace.errors import InputError, OutputError
from emotrace.outputs.writing import output_errors

MANIFEST = "emotrace-archive.json"

VERSION = 1

SORTED = ("normal", "low_quality")
"""Folders of sorted results, whose folders are archived with their names before them."""

_STEP = 1024 * 1024
_PART = re.compile(r"[^/\\\0:]+" if os.name == "nt" else r"[^/\0]+")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive.

    Attributes:
        size: bytes.
        sha256: of its content, in hexadecimal.
    """

    size: int
    sha256: str


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
                found = copied(source, None if out is None else _Writer(out))
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
        if version != VERSION:
            raise InputError(f"the archive {self._name!r} is of another version; update emotrace")
        for key in members:
            if not _is_inside(key):  # else it could write anywhere
                raise InputError(
                    f"the archive {self._name!r} holds {key[:60]!r}, which is no place in a folder"
                )
        return members


def copied(source: IO[bytes], out: IO[bytes] | _Writer | None) -> Member:
    """What was read, and written if there is where to."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(_STEP):
        digest.update(chunk)
        size += len(chunk)
        if out is not None:
            out.write(chunk)
    return Member(size, digest.hexdigest())


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
    if len(parts) < 2 or parts[0].startswith("."):  # a hidden folder is none of results: .ssh, .config
        return False
    return all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
