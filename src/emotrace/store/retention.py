"""What goes: by age, by the room on the disk, and what crashes left. Archived first, if that is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from emotrace.outputs.archive import Entry, new_archive, write_archive
from emotrace.store.audit import RETENTION
from emotrace.store.kept import Kept
from emotrace.store.types import now

if TYPE_CHECKING:
    from emotrace.store.store import Store

ROW_FILE = "row.json"
"""What an archive has beside the files of a recognition: its line of the list, and the corrections."""

BATCH = 200
"""Recognitions that are archived and removed at a time."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long recognitions are kept.

    Attributes:
        keep_days: older ones go; None for ever.
        max_bytes: of all files; the oldest go until there are no more. None is without limit.
        archive: folder of the archives that they go to; None deletes them.
        audit_days: older lines of the audit log go; None never.
    """

    keep_days: float | None = None
    max_bytes: int | None = None
    archive: Path | None = None
    audit_days: float | None = None


@dataclass(frozen=True, slots=True)
class Tidied:
    """What went.

    Attributes:
        removed: recognitions.
        bytes: of their files.
        archives: where they are now.
    """

    removed: int = 0
    bytes: int = 0
    archives: tuple[Path, ...] = ()


def tidy(
    store: Store, policy: Policy, *, sweep: bool = True, stop: Callable[[], bool] = lambda: False
) -> Tidied:
    """Remove what a policy does not keep; of several servers one at a time does it.

    Args:
        store: to be tidied.
        policy: says what goes.
        sweep: look for what crashes left, too, which takes a while where there is much.
        stop: asked again and again whether the rest is to be left for another time.

    Raises:
        OutputError: an archive cannot be written, or files not be removed; what is not archived stays.
        StoreError: the database cannot be reached.
    """
    with store.database.alone("tidy") as alone:
        if not alone:
            return Tidied()
        done = Tidied()
        for batch in takewhile(lambda _: not stop(), due(store, policy)):
            done = remove(store, batch, policy.archive, done)
        if policy.audit_days is not None:
            store.audit.forget(now() - timedelta(days=policy.audit_days))
        if sweep:
            store.recognitions.sweep(stop=stop)
        return done


def due(store: Store, policy: Policy) -> Iterator[Sequence[Kept]]:
    """What a policy does not keep, oldest first, in batches; each is looked for when the last one is gone."""
    if policy.keep_days is not None:
        before = now() - timedelta(days=policy.keep_days)
        while batch := store.recognitions.oldest(before, BATCH):
            yield batch
    if policy.max_bytes is not None:
        while (over := store.recognitions.total_bytes() - policy.max_bytes) > 0:
            yield _enough(store.recognitions.oldest(limit=BATCH), over)


def remove(
    store: Store,
    batch: Sequence[Kept],
    archive: Path | None,
    done: Tidied | None = None,
    actor: str = RETENTION,
) -> Tidied:
    """Remove recognitions, archived first if that is wanted; the audit log tells of each.

    Args:
        store: holds them.
        batch: at most a few hundred.
        archive: folder of the archives.
        done: what went before.
        actor: for the audit log.

    Returns:
        What went in all.

    Raises:
        OutputError: the archive cannot be written, or files not be removed.
        StoreError: the database cannot be reached.
    """
    done = done or Tidied()
    detail = None
    if archive is not None and batch:
        made = write_archive(new_archive(archive), [entry_of(store, kept) for kept in batch])
        done = replace(done, archives=(*done.archives, made))
        detail = f"archived in {made.name}"
    for kept in batch:
        if store.recognitions.delete(kept.id, None, actor=actor, action="prune", detail=detail):
            done = replace(done, removed=done.removed + 1, bytes=done.bytes + kept.bytes)
    return done


def entry_of(store: Store, kept: Kept) -> Entry:
    """A recognition as an archive takes it."""
    corrections = [
        {"author": each.author, "created": each.created, "label": each.label, "note": each.note}
        for each in store.feedback.list(kept.id)
    ]
    row = {name: getattr(kept, name) for name in Kept.__dataclass_fields__}
    text = json.dumps({"row": row, "feedback": corrections}, default=_plain, ensure_ascii=True)
    return Entry(kept.id, store.recognitions.folder(kept.id), {ROW_FILE: text.encode()})


def _enough(batch: Sequence[Kept], over: int) -> Sequence[Kept]:
    """As many from the start as free so many bytes."""
    taken: list[Kept] = []
    for kept in batch:
        if over <= 0:
            break
        taken.append(kept)
        over -= kept.bytes
    return taken


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
