"""Moving and copying folders so that a name never stands for half a folder, across file systems too.

Whatever is unfinished has a hidden name of its own form, so that it can be told and removed after a crash.
"""

from __future__ import annotations

import errno
import filecmp
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_HIDDEN = re.compile(r"\.outputs_.*\.[0-9a-f]{12}\.(part|gone)", re.DOTALL)


def move_folder(source: Path, target: Path) -> None:
    """Give a folder another place.

    On one file system this is one rename. Across file systems it is copied under a hidden name, written
    through to the disk, renamed, and only then is the source removed, which first takes a hidden name, too.

    Raises:
        FileExistsError: the target is there; nothing is ever replaced.
        OSError: it cannot be moved; the source is still whole then.
    """
    _refuse(target)
    try:
        os.rename(source, target)  # noqa: PTH104
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_folder(source, target, durable=True)
        _leave(source, target)


def _leave(source: Path, copy: Path) -> None:
    """Remove the source of a copy; where its name stays, the copy goes, so that no result is there twice."""
    try:
        discard_folder(source)
    except OSError:
        if not os.path.lexists(source):  # what could not be removed has a hidden name
            return
        discard_folder(copy)
        raise


def copy_folder(source: Path, target: Path, *, durable: bool = False) -> None:
    """Copy a folder; links in it are copied as links.

    Args:
        source: the folder.
        target: its new name; it appears when all is there.
        durable: write it through to the disk first, as must be if the source is to be removed.

    Raises:
        FileExistsError: the target is there.
        OSError: it cannot be copied, or was changed meanwhile; the target is not there then.
    """
    _refuse(target)
    hidden = _hidden(target, "part")
    try:
        _copy(source, hidden)
        if not same_tree(source, hidden):
            raise OSError(errno.EBUSY, "it was changed while it was copied")
        if durable:
            _sync(hidden)
        _refuse(target)
        os.rename(hidden, target)  # noqa: PTH104
        if durable:
            _sync_one(target.parent)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def discard_folder(folder: Path) -> None:
    """Remove a folder; from the first moment its name is gone.

    Raises:
        OSError: it cannot be renamed, and is whole then, or not all of it could be removed.
    """
    hidden = _hidden(folder, "gone")
    os.rename(folder, hidden)  # noqa: PTH104
    shutil.rmtree(hidden)


def remove_leftovers(folder: Path) -> int:
    """Remove what an interrupted copy or removal left in a folder.

    Returns:
        How many there were.
    """
    names = [entry.name for entry in _entries(folder) if _HIDDEN.fullmatch(entry.name)]
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
    return len(names)


def same_tree(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files with the same bytes, and the same links.

    Raises:
        OSError: one of them cannot be read.
    """
    names = sorted(entry.name for entry in _entries(one))
    if names != sorted(entry.name for entry in _entries(other)):
        return False
    return all(_same(one / name, other / name) for name in names)


def _same(one: Path, other: Path) -> bool:
    first, second = one.lstat(), other.lstat()
    if stat.S_IFMT(first.st_mode) != stat.S_IFMT(second.st_mode):
        return False
    if stat.S_ISLNK(first.st_mode):
        return os.readlink(one) == os.readlink(other)  # noqa: PTH115
    if stat.S_ISDIR(first.st_mode):
        return same_tree(one, other)
    regular = stat.S_ISREG(first.st_mode)  # to read a pipe would be to wait for ever
    return regular and first.st_size == second.st_size and filecmp.cmp(one, other, shallow=False)


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, symlinks=True)
    except shutil.SpecialFileError as error:
        raise OSError(errno.EINVAL, str(error)) from error
    except shutil.Error as error:  # a list of what failed: (source, target, reason)
        failed = error.args[0]
        first = failed[0][2] if isinstance(failed, list) and failed else error
        raise OSError(errno.EIO, str(first)) from error


def _hidden(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name[:50]}.{secrets.token_hex(6)}.{kind}")


def _refuse(target: Path) -> None:
    if os.path.lexists(target):  # a rename would replace an empty folder without a word
        raise FileExistsError(errno.EEXIST, "the name is taken", str(target))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _sync(folder: Path) -> None:
    for place, _, files in os.walk(folder):
        for name in files:
            if not (Path(place) / name).is_symlink():
                _sync_one(Path(place) / name)
        _sync_one(Path(place))


def _sync_one(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle for a folder that could be synced
    number = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that cannot sync promises nothing anyway
            os.fsync(number)
    finally:
        os.close(number)
