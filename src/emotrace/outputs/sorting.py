"""Sorting classic result folders into ``normal`` and ``low_quality``, so that it can be cut off anywhere.

What has to be moved is worked out from where the folders are and written to the journal at once; then it
is done folder by folder. A run that was cut off is finished by the next one, or taken back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from emotrace.errors import InputError, OptionError, OutputError
from emotrace.outputs.journal import Journal, Run, Step
from emotrace.outputs.relocating import (
    copy_folder,
    discard_folder,
    move_folder,
    remove_leftovers,
    same_tree,
)
from emotrace.outputs.sorting_plan import (
    PATTERN,
    PLACES,
    Plan,
    Sorted,
    Sorting,
    find,
    is_place,
    judged,
    path_of,
)
from emotrace.outputs.writing import output_error, output_errors
from emotrace.results import Failure

try:
    import fcntl
except ImportError:  # Windows: two runs at once are then the user's care
    fcntl = None  # type: ignore[assignment]

REPORT_FILES = ("quality_report.txt", "quality_report.json", "quality_report.csv")

Progress = Callable[[str, float, float], None]
"""``on_progress("sort", folders done, folders)``."""


def sort_results(
    sorting: Sorting, *, dry_run: bool = False, on_progress: Progress | None = None
) -> list[Sorted]:
    """Sort the results under a root.

    Those in ``normal`` and ``low_quality`` already are judged again and move if the rules say so; with the
    same rules a second run changes nothing. Links are neither followed nor moved.

    Args:
        sorting: what and how.
        dry_run: change nothing.
        on_progress: see :data:`Progress`.

    Returns:
        One record per folder, by name.

    Raises:
        InputError: the root is no folder that can be read, or its journal is damaged.
        OptionError: the root was sorted by copying and shall now be by moving, or the other way round; or the
            target lies in one of the results.
        OutputError: the target cannot be written, or another run is at work.
    """
    with _locked(sorting, dry_run):
        journal = _journal(sorting)
        _check_mode(sorting, journal)
        if not dry_run:
            _check_reports(sorting.target)
            _recover(sorting, journal)
        items = [judged(sorting, place) for place in find(sorting)]
        plan = Plan(sorting, items)
        if dry_run:
            return [plan.outcome(item) for item in items]
        return _carry_out(sorting, plan, items, journal, on_progress)


def undo_sorting(sorting: Sorting, *, on_progress: Progress | None = None) -> tuple[int, list[Failure]]:
    """Take back the last run that changed something.

    What was moved returns; what was copied is removed, if it still is what it was a copy of. Nothing is
    ever replaced: what cannot return stays where it is and is told. The reports go.

    Args:
        sorting: its root and ``into``; the rest does not matter.
        on_progress: see :data:`Progress`.

    Returns:
        How many folders were put back or removed, and what could not be.

    Raises:
        InputError: there is nothing to take back, or the journal is damaged.
        OptionError: the journal is of another root.
        OutputError: the target cannot be written, or another run is at work.
    """
    with _locked(sorting, False):
        journal = _journal(sorting)
        if not journal.runs:
            place = str(sorting.into or sorting.root)
            raise InputError(f"there is nothing to undo in {place!r}; expected the journal of a run before")
        _clean(sorting)
        return _take_back(sorting, journal, journal.runs[-1], on_progress)


# -- sorting ------------------------------------------------------------------------------------------


def _carry_out(
    sorting: Sorting, plan: Plan, items: list[Sorted], journal: Journal, on_progress: Progress | None
) -> list[Sorted]:
    if plan.steps:
        journal.begin(_root_name(sorting), plan.steps.values())
        for place in PLACES:
            with output_errors(sorting.target / place):
                (sorting.target / place).mkdir(exist_ok=True)
    done = []
    for number, item in enumerate(items, 1):
        step = plan.steps.get(item.place)
        failure = _take(sorting, step) if step else None
        done.append(replace(item, failure=failure) if failure else plan.outcome(item))
        if on_progress:
            on_progress("sort", number, len(items))
    if journal.runs and not journal.runs[-1].ended:
        journal.end(journal.runs[-1])
    return done


def _take(sorting: Sorting, step: Step) -> Failure | None:
    source, target = path_of(sorting, step.source), path_of(sorting, step.target)
    try:
        (copy_folder if step.kind == "copy" else move_folder)(source, target)
    except OSError as error:
        return _failed(step.source, "copied" if step.kind == "copy" else "moved", error)
    return None


def _failed(place: str, what: str, error: OSError) -> Failure:
    if isinstance(error, FileNotFoundError):
        return Failure(place, "input", f"{place!r} is no longer there")
    reason = (error.strerror or str(error)).lower()
    return Failure(place, "output", f"{place!r} could not be {what}: {reason}; it is still where it was")


# -- taking back --------------------------------------------------------------------------------------


def _take_back(
    sorting: Sorting, journal: Journal, run: Run, on_progress: Progress | None = None
) -> tuple[int, list[Failure]]:
    journal.undo(run)
    failures, back = [], 0
    for number, step in enumerate(reversed(run.steps), 1):
        try:
            back += _reverse(sorting, step)
        except OSError as error:
            failures.append(_failed(step.target, "put back", error))
        if on_progress:
            on_progress("undo", number, len(run.steps))
    for name in REPORT_FILES:
        with suppress(OSError):
            (sorting.target / name).unlink()
    for place in PLACES:
        with suppress(OSError):
            (sorting.target / place).rmdir()
    if not failures:
        journal.undone(run)
    return back, failures


def _reverse(sorting: Sorting, step: Step) -> int:
    """Take one step back, however far it had come; how many folders that changed."""
    source, target = path_of(sorting, step.source), path_of(sorting, step.target)
    if not os.path.lexists(target):
        if not os.path.lexists(source):
            raise FileNotFoundError(str(target))
        return 0  # it was never done, or has been taken back
    if os.path.lexists(source):
        if not same_tree(source, target):
            what = "it differs from its original" if step.kind == "copy" else "the name is taken"
            raise OSError(None, what)
        discard_folder(target)
    elif step.kind == "copy":
        raise OSError(None, "its original is gone")
    else:
        source.parent.mkdir(exist_ok=True)
        move_folder(target, source)
    return 1


# -- what an interrupted run left ---------------------------------------------------------------------


def _recover(sorting: Sorting, journal: Journal) -> None:
    """Bring a root whose last run or undo was cut off into a state that says where everything is."""
    _clean(sorting)
    if not journal.runs:
        return
    last = journal.runs[-1]
    if last.undoing:
        _take_back(sorting, journal, last)
        if last in journal.runs:  # the rest cannot be taken back: it stays where it is
            journal.undone(last)
    elif not last.ended:
        for step in last.steps:
            _finish(sorting, step)


def _finish(sorting: Sorting, step: Step) -> None:
    """Remove the source of a move across file systems that was cut off after the copy."""
    source, target = path_of(sorting, step.source), path_of(sorting, step.target)
    if step.kind == "move" and source.is_dir() and target.is_dir() and not source.is_symlink():
        with output_errors(source):
            if same_tree(source, target):
                discard_folder(source)


def _clean(sorting: Sorting) -> None:
    """Remove half copies."""
    for folder in (sorting.root, *(sorting.target / place for place in PLACES)):
        if folder == sorting.root or (folder.is_dir() and not folder.is_symlink()):
            with output_errors(folder):
                remove_leftovers(folder)


# -- before the work ----------------------------------------------------------------------------------


@contextmanager
def _locked(sorting: Sorting, dry_run: bool) -> Iterator[None]:
    """The root and the target for this run alone.

    Raises:
        InputError: the root is no folder that can be read.
        OptionError: the target lies in one of the results.
        OutputError: the target is none, holds a link or file named as a place, or another run is at work.
    """
    _check_root(sorting.root)
    _check_target(sorting)
    with ExitStack() as stack:
        if not dry_run:
            stack.callback(_remove_empty, _made(sorting))
        for place in PLACES:
            is_place(sorting.target / place)
        if fcntl is not None and not dry_run:
            for folder in sorted({Path(os.path.realpath(sorting.root)), sorting.target}):
                _lock(folder, stack)
        yield


def _made(sorting: Sorting) -> list[Path]:
    """Make the target; the folders that were not there, innermost first."""
    with output_errors(sorting.into or sorting.root):
        new = [folder for folder in (sorting.target, *sorting.target.parents) if not folder.exists()]
        sorting.target.mkdir(parents=True, exist_ok=True)
    return new


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _lock(folder: Path, stack: ExitStack) -> None:
    try:
        number = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, number)
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"another run is sorting {str(folder)!r}; wait for its end") from error
    except OSError as error:
        raise output_error(folder, error) from error


def _check_root(root: Path) -> None:
    if not os.path.lexists(root):
        raise InputError(f"{str(root)!r} does not exist; expected a folder with folders outputs_*")
    if not root.is_dir():
        raise InputError(f"{str(root)!r} is a file; expected a folder with folders outputs_*")
    try:
        with os.scandir(root):
            pass
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{str(root)!r} cannot be read: {reason}; check its permissions") from error


def _check_target(sorting: Sorting) -> None:
    root, target = Path(os.path.realpath(sorting.root)), sorting.target
    inside = target.relative_to(root).parts if target.is_relative_to(root) else ()
    if inside and inside[0].startswith(PATTERN):
        raise OptionError(
            f"{str(sorting.into)!r} is, or lies in, {inside[0]!r} of the results to be sorted; "
            "choose another folder for --into"
        )


def _check_reports(target: Path) -> None:
    for name in REPORT_FILES:
        if (target / name).is_symlink():
            raise OutputError(f"{str(target / name)!r} is a symbolic link, which is not followed; remove it")


def _root_name(sorting: Sorting) -> str:
    root = os.path.realpath(sorting.root)
    return "." if root == str(sorting.target) else root


def _journal(sorting: Sorting) -> Journal:
    journal = Journal(sorting.target)
    other = next((run.root for run in journal.runs if run.root != _root_name(sorting)), None)
    if other is not None:
        raise OptionError(
            f"{str(sorting.target)!r} holds the sorted results of {other!r}; choose another folder for --into"
        )
    return journal


def _check_mode(sorting: Sorting, journal: Journal) -> None:
    """Refuse to move what was copied: the copy and the original would both be results then."""
    kinds = {step.kind for run in journal.runs for step in run.steps if "/" not in step.source}
    place = str(sorting.target)
    if sorting.copy and "move" in kinds:
        raise OptionError(f"{place!r} was sorted by moving; leave --copy out, or use --undo first")
    if not sorting.copy and "copy" in kinds:
        raise OptionError(f"{place!r} holds sorted copies; go on with --copy, or use --undo first")
