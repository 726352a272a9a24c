"""Recognitions as items that go to archives by hand, and come back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emotrace.errors import EmotraceError, InputError, OptionError, OutputError
from emotrace.outputs.archive import new_archive, write_archive
from emotrace.outputs.archive_reading import Archive
from emotrace.outputs.found import Item
from emotrace.outputs.tidy import Pruned
from emotrace.results import Failure
from emotrace.store.kept import Correction, Kept
from emotrace.store.paging import MOST
from emotrace.store.retention import BATCH, ROW_FILE, Tidied, entry_of, remove
from emotrace.store.store import Store

_ROW: TypeAdapter[Kept] = TypeAdapter(Kept)
_FEEDBACK: TypeAdapter[list[Correction]] = TypeAdapter(list[Correction])


def items_of(store: Store) -> Iterator[Item]:
    """All recognitions of all owners, newest first.

    Raises:
        StoreError: the database cannot be reached.
    """
    cursor = None
    while True:
        page = store.recognitions.search(None, cursor=cursor, limit=MOST)
        for kept in page.items:
            made = kept.created.astimezone().replace(tzinfo=None)
            yield Item(kept.id, made, kept.bytes, kept.emotion, kept.decision, kept.source)
        cursor = page.cursor
        if cursor is None:
            return


def prune(store: Store, chosen: Sequence[Item], archive: Path | None, *, actor: str) -> Pruned:
    """Remove recognitions, after an archive of them was written and read back, if one is wanted.

    Args:
        store: holds them.
        chosen: which go.
        archive: folder for archives; None makes none.
        actor: for the audit log.

    Raises:
        OutputError: an archive cannot be written; what is not in one stays.
        StoreError: the database cannot be reached.
    """
    done, ids = Tidied(), []
    for batch in _batches(store, chosen):
        ids += [kept.id for kept in batch]
        done = remove(store, batch, archive, done, actor)
    return Pruned(tuple(ids), done.bytes, done.archives)


def archive(store: Store, chosen: Sequence[Item], folder: Path) -> Pruned:
    """Write an archive of recognitions, which stay.

    Raises:
        OutputError: it cannot be written.
        StoreError: the database cannot be reached.
    """
    entries = (entry_of(store, kept) for batch in _batches(store, chosen) for kept in batch)
    made = (write_archive(new_archive(folder), entries),) if chosen else ()
    return Pruned((), sum(item.bytes for item in chosen), made)


def restore(
    store: Store, path: Path, *, actor: str, dry_run: bool = False
) -> tuple[list[str], list[Failure]]:
    """Put the recognitions of an archive back; those that are there already stay as they are.

    Args:
        store: takes them.
        path: of the archive, which is read through first.
        actor: for the audit log.
        dry_run: only say what would be.

    Returns:
        Ids of those that are back, and those that are not.

    Raises:
        InputError: it is no archive of recognitions, or damaged.
        StoreError: the database cannot be reached.
    """
    with Archive(path) as archive:
        archive.check()
        tried = {name: _put_back(store, archive, name, actor, dry_run) for name in archive.folders}
    failures = [failure for failure in tried.values() if failure is not None]
    return [name for name, failure in tried.items() if failure is None], failures


def _batches(store: Store, chosen: Sequence[Item]) -> Iterator[list[Kept]]:
    for first in range(0, len(chosen), BATCH):
        found = (store.recognitions.get(item.name, None) for item in chosen[first : first + BATCH])
        yield [kept for kept in found if kept is not None]


def _put_back(store: Store, archive: Archive, name: str, actor: str, dry_run: bool) -> Failure | None:
    try:
        row, corrections = _row(archive, name)
        if store.recognitions.get(name, None) is not None:
            raise OutputError(f"the recognition {name!r} is there already and stays")
        if not dry_run:
            fill = partial(archive.extract_into, name, leave_out={ROW_FILE})
            store.recognitions.put_back(row, corrections, fill, actor=actor)
    except (InputError, OutputError, OptionError) as error:
        return Failure(name, error.code, str(error))
    return None


def _row(archive: Archive, name: str) -> tuple[Kept, list[Correction]]:
    try:
        given: dict[str, Any] = json.loads(archive.read(f"{name}/{ROW_FILE}"))
        row = _ROW.validate_python(given["row"])
        if row.id != name:
            raise InputError(f"the recognition {name!r} calls itself {row.id[:64]!r}; it is left out")
        return row, _FEEDBACK.validate_python(given["feedback"])
    except EmotraceError:
        raise
    except (ValueError, ValidationError, LookupError, TypeError) as error:
        raise InputError(f"{name!r} is no recognition of a service; it is left out") from error
