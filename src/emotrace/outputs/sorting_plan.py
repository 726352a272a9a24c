"""Which result folders there are, what is thought of them, and where each shall go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emotrace.errors import InputError, OutputError
from emotrace.outputs.folder import RESULT_FILE
from emotrace.outputs.journal import Step
from emotrace.outputs.stored import StoredResult, read_result
from emotrace.outputs.writing import output_errors
from emotrace.postprocess.rules import Rules
from emotrace.postprocess.verdict import judge_facts
from emotrace.results import Failure, Verdict

NORMAL, LOW_QUALITY, BROKEN = "normal", "low_quality", "broken"
PLACES = (NORMAL, LOW_QUALITY)
PATTERN = "outputs_"


@dataclass(frozen=True, slots=True)
class Sorted:
    """One result folder and what became of it.

    Attributes:
        name: of the folder, as it was found.
        place: where it is now, or in a dry run would be: ``NAME``, ``normal/NAME`` or ``low_quality/NAME``.
        status: ``"normal"``, ``"low_quality"`` or ``"broken"``.
        result: what it says; None if it is broken.
        verdict: None if it is broken.
        action: ``"moved"``, ``"copied"`` or ``"none"``.
        failure: why it is broken, or could not be moved.
    """

    name: str
    place: str
    status: str
    result: StoredResult | None = None
    verdict: Verdict | None = None
    action: str = "none"
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Sorting:
    """What to sort, where to, and how.

    Attributes:
        root: the folder with the ``outputs_*`` folders.
        rules: None are the classic ones.
        into: where ``normal`` and ``low_quality`` are made; None is the root.
        copy: leave the results where they are, and sort copies.
        strict: what is only flagged is low quality, too.
    """

    root: Path
    rules: Rules
    into: Path | None = None
    copy: bool = False
    strict: bool = False

    @property
    def target(self) -> Path:
        """The real folder of ``normal`` and ``low_quality``."""
        return Path(os.path.realpath(self.into or self.root))


def find(sorting: Sorting) -> Iterator[str]:
    """Places of all result folders: below the root and, unless copies are sorted, those sorted already."""
    found = _names(sorting.root)
    if not sorting.copy:
        for place in PLACES:
            if is_place(sorting.target / place):
                found += [f"{place}/{name}" for name in _names(sorting.target / place)]
    yield from sorted(found, key=lambda place: (place.rpartition("/")[2], place))


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [
                entry.name
                for entry in entries
                if entry.name.startswith(PATTERN) and (entry.is_symlink() or entry.is_dir())
            ]
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(
            f"{str(folder)!r} cannot be read: {reason}; expected a folder with folders {PATTERN}*"
        ) from error


def is_place(folder: Path) -> bool:
    """Whether ``normal`` or ``low_quality`` is there.

    Raises:
        OutputError: something else has its name.
    """
    if folder.is_symlink():
        raise OutputError(f"{str(folder)!r} is a symbolic link, which is not followed; expected a folder")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{str(folder)!r} is a file; expected a folder, or nothing of this name")
    return folder.is_dir()


def path_of(sorting: Sorting, place: str) -> Path:
    """Path of a place: a bare name lies in the root, one in ``normal`` or ``low_quality`` in the target."""
    return (sorting.target if "/" in place else sorting.root) / place


def judged(sorting: Sorting, place: str) -> Sorted:
    """What is thought of the result in a place; nothing is changed."""
    folder, name = path_of(sorting, place), place.rpartition("/")[2]
    try:
        if folder.is_symlink():
            raise InputError("it is a symbolic link, which is not followed")
        result = read_result(folder, frames=sorting.rules.max_switches_per_minute is not None)
    except InputError as error:
        return Sorted(name, place, BROKEN, failure=Failure(place, error.code, str(error)))
    verdict = judge_facts(result.facts, sorting.rules)
    low = verdict.decision == "drop" or (sorting.strict and verdict.decision == "flag")
    return Sorted(name, place, LOW_QUALITY if low else NORMAL, result, verdict)


class Plan:
    """Where each folder shall go; no two to one name, none to a name that is taken."""

    def __init__(self, sorting: Sorting, items: list[Sorted]) -> None:
        self._sorting = sorting
        self._taken = {
            f"{place}/{name}"
            for place in PLACES
            if is_place(sorting.target / place)
            for name in _all_names(sorting.target / place)
        }
        self.steps: dict[str, Step] = {}
        self._final: dict[str, str] = {}
        self._ends: set[str] = set()
        for item in items:
            if item.status != BROKEN:
                self._add(item)

    def outcome(self, item: Sorted) -> Sorted:
        """The record of a folder whose step was taken."""
        step = self.steps.get(item.place)
        action = "none" if step is None else "copied" if step.kind == "copy" else "moved"
        return replace(item, place=self._final.get(item.place, item.place), action=action)

    def _add(self, item: Sorted) -> None:
        if item.place.startswith(f"{item.status}/"):
            return
        source = item.place
        if self._sorting.copy:
            there = self._copy_in(item, item.status)
            if there is not None:
                self._ends_in(item, there)
                return
            other = self._copy_in(item, LOW_QUALITY if item.status == NORMAL else NORMAL)
            source = other or source
        target = self._free(item)
        kind = "copy" if self._sorting.copy and source == item.place else "move"
        self.steps[item.place] = Step(kind, source, target)
        self._ends_in(item, target)
        self._taken.add(target)

    def _ends_in(self, item: Sorted, place: str) -> None:
        self._final[item.place] = place
        self._ends.add(place)

    def _free(self, item: Sorted) -> str:
        for name in _numbered(item.name):
            target = f"{item.status}/{name}"
            if target not in self._taken:
                return target
        raise AssertionError

    def _copy_in(self, item: Sorted, status: str) -> str | None:
        """Where a copy of a result is, if there is one."""
        for name in _numbered(item.name):
            place = f"{status}/{name}"
            if place not in self._taken:
                return None
            if place not in self._ends and _same_result(self._sorting, item.place, place):
                return place
        raise AssertionError


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _all_names(folder: Path) -> list[str]:
    with output_errors(folder), os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _same_result(sorting: Sorting, one: str, other: str) -> bool:
    with suppress(OSError):
        first, second = (path_of(sorting, place) / RESULT_FILE for place in (one, other))
        return not second.is_symlink() and first.read_bytes() == second.read_bytes()
    return False
