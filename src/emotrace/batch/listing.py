"""The recordings that a path, a folder or a pattern means."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotrace.results import Failure

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".flac", ".alac", ".ape"),
        *(".wv", ".tta", ".tak", ".mp1", ".mp2", ".mp3", ".mpga", ".aac", ".m4a", ".m4b", ".m4r", ".ac3"),
        *(".eac3", ".dts", ".ogg", ".oga", ".opus", ".spx", ".wma", ".asf", ".ra", ".rm", ".amr", ".awb"),
        *(".3gp", ".3g2", ".gsm", ".voc", ".sph", ".nist", ".qcp", ".mka", ".weba", ".webm", ".mkv", ".mp4"),
        *(".m4v", ".mov", ".avi", ".flv", ".wmv", ".mpg", ".mpeg", ".ts", ".mts", ".ogv", ".vob"),
    )
)
"""Endings, in any case, of the files that are taken from a folder."""


STATE_FOLDER = ".batch"
"""A folder that holds this is the output of a batch."""


def meant_by(argument: str, leave_out: str | None = None) -> Iterator[str | Failure]:
    """The paths that an argument means; what means nothing is a Failure.

    A folder means every audio file in it and below it, by name, but nothing that is hidden; links to folders
    are not followed, so no loop of them is. A pattern (``*``, ``?``, ``[``, ``**``) means what it matches,
    but ``**`` follows no link either, and does not go into what a batch wrote; a path that exists is never
    taken for a pattern.

    Args:
        argument: a path or a pattern.
        leave_out: a folder that is not entered, and in which no pattern matches.
    """
    from emotrace.results import Failure  # here, because it loads numpy, and the help must not

    if os.path.isdir(argument):  # noqa: PTH112 - a Path would lose './' and the like
        yield from in_folder(argument, leave_out)
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        found = False
        inside = lru_cache(maxsize=256)(partial(_is_inside, folder=leave_out))
        for match in _anywhere(argument) if "**" in Path(argument).parts else sorted(glob.glob(argument)):  # noqa: PTH207
            found = True
            if inside(os.path.dirname(match)):  # noqa: PTH120
                continue
            if os.path.isdir(match):  # noqa: PTH112
                yield from in_folder(match, leave_out)
            else:
                yield f".{os.sep}{match}" if match == "-" else match
        if not found:
            yield Failure(
                argument, "audio", f"nothing matches the pattern {argument!r}; expected audio files"
            )
    else:
        yield argument


def in_folder(folder: str, leave_out: str | None = None) -> Iterator[str | Failure]:
    """The audio files in a folder and below it, and a Failure for each folder that cannot be read.

    Args:
        folder: path of it.
        leave_out: a folder below that is not entered; nor are those that a batch has written to.
            The recording in a result folder is left out, too.
    """
    from emotrace.outputs.folder import AUDIO_FILE, RESULT_FILE  # here, because they load numpy
    from emotrace.results import Failure

    found = False
    unreadable: list[OSError] = []
    barred = _identity(leave_out) if leave_out is not None else None
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        if STATE_FOLDER in folders and place != folder:  # what a batch wrote is no input of another
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if barred is not None:
            folders[:] = [name for name in folders if _identity(os.path.join(place, name)) != barred]  # noqa: PTH118
        if AUDIO_FILE in files and RESULT_FILE in files:  # a result folder: its recording is no new one
            files.remove(AUDIO_FILE)
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found = True
                yield os.path.join(place, name)  # noqa: PTH118
    for problem in unreadable:
        name = os.fsdecode(problem.filename or folder)
        reason = (problem.strerror or "unknown reason").lower()
        yield Failure(name, "audio", f"the folder {name!r} cannot be read: {reason}")
    if not found and not unreadable:
        yield Failure(folder, "no-audio", f"the folder {folder!r} holds no audio file; expected at least one")


def _is_inside(place: str, folder: str | None) -> bool:
    """Whether a folder is another one, or below it."""
    if folder is None:
        return False
    return Path(os.path.realpath(place)).is_relative_to(os.path.realpath(folder))


def _fixed(pattern: str) -> Path:
    """The folder in which a pattern begins to match."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))


def _anywhere(pattern: str) -> Iterator[str]:
    """The files that a pattern with ``**`` matches; as in a folder, links to folders are not followed."""
    start = _fixed(pattern)
    wanted = Path(pattern).parts[len(start.parts) :]
    hidden = any(part.startswith(".") for part in wanted)
    for place, folders, files in os.walk(start):
        if STATE_FOLDER in folders and place != str(start):  # what a batch wrote
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if hidden or not name.startswith("."))
        between = Path(place).parts[len(start.parts) :]
        for name in sorted(files):
            if _fits((*between, name), wanted):
                yield str(Path(place, name))


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether names of folders and a file are what parts of a pattern mean.

    >>> _fits(["a", "b", "c.wav"], ["**", "*.wav"]), _fits(["a", ".b", "c.wav"], ["**", "*.wav"])
    (True, False)
    """
    if not parts:
        return not names
    if parts[0] == "**" and _fits(names, parts[1:]):
        return True
    if not names or (names[0].startswith(".") and not parts[0].startswith(".")):
        return False
    if parts[0] == "**":
        return _fits(names[1:], parts)
    return fnmatch.fnmatch(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _identity(folder: str) -> tuple[int, int] | None:
    """What tells a folder from every other, whatever it is called."""
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
