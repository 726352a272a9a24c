"""Old results: what is there, what goes, and where to; what an archive should hold goes only when it does."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emotrace.errors import EmotraceError, InputError, OutputError
from emotrace.options import Options
from emotrace.outputs.archive import Entry, new_archive, signature, write_archive
from emotrace.outputs.archive_reading import Archive
from emotrace.outputs.found import Item, is_running, measured
from emotrace.outputs.writing import output_errors
from emotrace.results import Failure

BUSY_SECONDS = 3600.0
"""A batch that was written to so lately may still run; it stays."""


class Choice(Options):
    """Which results go: those that fulfil all that is asked.

    Attributes:
        older_than: made so long ago, or longer.
        larger_than: bytes of one result, or more.
        decisions: of the verdict, any of these; empty is any or none.
        max_size: then only the oldest of them, until no more bytes than that stay in all.

    >>> Choice.of(older_than=timedelta(days=7)).is_empty
    False
    """

    older_than: timedelta | None = None
    larger_than: int | None = None
    decisions: frozenset[str] = frozenset()
    max_size: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, and so takes all."""
        return self == Choice()

    def of_items(self, items: Iterable[Item], now: datetime | None = None) -> list[Item]:
        """Those that go, oldest first.

        Args:
            items: all there are.
            now: local time; None is now.
        """
        everything = sorted(items, key=lambda item: (item.made, item.name))
        before = None if self.older_than is None else (now or datetime.now()) - self.older_than
        chosen = [
            item
            for item in everything
            if (before is None or item.made <= before)
            and (self.larger_than is None or item.bytes >= self.larger_than)
            and (not self.decisions or item.decision in self.decisions)
        ]
        if self.max_size is None:
            return chosen
        over = sum(item.bytes for item in everything) - self.max_size
        return list(_until_freed(chosen, over))


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of results.

    Attributes:
        removed: names of those that went.
        bytes: of their files.
        archives: that hold them.
        failures: those that stay, and why.
    """

    removed: tuple[str, ...]
    bytes: int
    archives: tuple[Path, ...] = ()
    failures: tuple[Failure, ...] = ()


def ready(root: Path, chosen: Sequence[Item]) -> tuple[list[Item], list[Failure]]:
    """Those that would go now, and why the others would stay.

    Args:
        root: of :func:`items_of`.
        chosen: which shall go.
    """
    before, failures = _signatures(root, chosen)
    return [item for item in chosen if item.name in before], failures


def prune(root: Path, chosen: Sequence[Item], archive: Path | None = None) -> Pruned:
    """Remove results, after an archive of them was written and read back, if one is wanted.

    Args:
        root: of :func:`items_of`.
        chosen: which go.
        archive: folder for the archive; None makes none.

    Raises:
        OutputError: the archive cannot be written; nothing is removed then.
    """
    before, failures = _signatures(root, chosen)
    ready = [item for item in chosen if item.name in before]
    made = () if archive is None else _archived(root, ready, archive)
    tried = {item.name: _remove(root / item.name, item.name, before[item.name]) for item in ready}
    gone = [item for item in ready if tried[item.name] is None]
    failures += [failure for failure in tried.values() if failure is not None]
    return Pruned(tuple(item.name for item in gone), sum(item.bytes for item in gone), made, tuple(failures))


def archive_items(root: Path, chosen: Sequence[Item], archive: Path) -> Pruned:
    """Write an archive of results, which stay.

    Returns:
        With nothing removed.

    Raises:
        OutputError: the archive cannot be written.
    """
    before, failures = _signatures(root, chosen)
    ready = [item for item in chosen if item.name in before]
    made = _archived(root, ready, archive)
    return Pruned((), sum(item.bytes for item in ready), made, tuple(failures))


def restore(path: Path, root: Path, *, dry_run: bool = False) -> tuple[list[str], list[Failure]]:
    """Take the folders out of an archive; what is there already stays.

    Args:
        path: of the archive, which is read through first.
        root: that they are put into; made if it is not there.
        dry_run: only say what would be.

    Returns:
        Names of those that are back, and those that are not.

    Raises:
        InputError: it is no archive, or damaged.
    """
    with Archive(path) as archive:
        archive.check()
        tried = {
            name: _put_back(archive, name, root.joinpath(*name.split("/")), dry_run)
            for name in archive.folders
        }
    failures = [failure for failure in tried.values() if failure is not None]
    return [name for name, failure in tried.items() if failure is None], failures


def _until_freed(items: Iterable[Item], over: int) -> Iterator[Item]:
    for item in items:
        if over <= 0:
            return
        yield item
        over -= item.bytes


def _signatures(root: Path, chosen: Sequence[Item]) -> tuple[dict[str, Any], list[Failure]]:
    """What each folder is like now; those that may not go are failures."""
    looked = {item.name: _signature(root / item.name, item.name) for item in chosen}
    failures = [found for found in looked.values() if isinstance(found, Failure)]
    return {name: found for name, found in looked.items() if not isinstance(found, Failure)}, failures


def _signature(place: Path, name: str) -> Any:
    try:
        with output_errors(name):
            if not place.name.startswith("outputs_") and time.time() - measured(place)[0] < BUSY_SECONDS:
                raise InputError(f"{name!r} was written to within the last hour; it stays")
            if is_running(place):
                raise InputError(f"a batch is at work in {name!r}; it stays")
            return signature(place)
    except EmotraceError as error:
        return Failure(name, error.code, str(error))


def _archived(root: Path, ready: Sequence[Item], archive: Path) -> tuple[Path, ...]:
    entries = [Entry(item.name, root / item.name) for item in ready]
    return (write_archive(new_archive(archive), entries),) if entries else ()


def _remove(place: Path, name: str, before: Any) -> Failure | None:
    """Remove a folder that is as it was, out of sight first; why it stays, if it does."""
    hidden = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        with output_errors(name):
            if signature(place) != before:
                raise InputError(f"{name!r} was written to meanwhile; it stays")
            place.rename(hidden)
            shutil.rmtree(hidden)
    except EmotraceError as error:
        return Failure(name, error.code, str(error))
    return None


def _put_back(archive: Archive, name: str, target: Path, dry_run: bool) -> Failure | None:
    try:
        if os.path.lexists(target):
            raise OutputError(f"{name!r} is there already and stays; move it away to restore it")
        if not dry_run:
            archive.extract(name, target)
    except EmotraceError as error:
        return Failure(name, error.code, str(error))
    return None
