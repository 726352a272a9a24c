"""Recognitions: kept, found again, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, delete, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from emotrace.audio.sources import BinaryFile
from emotrace.errors import StoreError
from emotrace.outputs.envelope import Envelope
from emotrace.outputs.records import Granularity
from emotrace.results import Recognition
from emotrace.store import files
from emotrace.store.audit import note as log
from emotrace.store.database import Database
from emotrace.store.folders import Folders, check_id
from emotrace.store.paging import Page, check_limit, decode_cursor, encode_cursor
from emotrace.store.schema import feedback, recognitions
from emotrace.store.types import now, storable


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody said of a recognition.

    Attributes:
        author: key of the caller.
        created: in UTC.
        label: one of the nine emotions; None says nothing of it.
        note: in words.
    """

    author: str
    created: datetime
    label: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the list says of a recognition.

    Attributes:
        id: of it.
        owner: key of the caller.
        created: in UTC.
        source: name of the file.
        emotion: as recognised.
        confidence: its probability.
        margin: between the two likeliest emotions, 0 to 1.
        decision: of the verdict; None was not judged.
        codes: of the verdict's reasons.
        duration: seconds.
        model: name.
        granularity: what was asked for.
        options: what else was asked for.
        has_audio: the upload itself was kept.
        bytes: of its files.
        label: as last corrected.
        note: as last given.
        reviewed: when a person last judged it.
        reviewer: key of that person.
    """

    id: str
    owner: str
    created: datetime
    source: str
    emotion: str
    confidence: float
    margin: float
    decision: str | None
    codes: tuple[str, ...]
    duration: float
    model: str
    granularity: str
    options: Mapping[str, Any]
    has_audio: bool
    bytes: int
    label: str | None
    note: str | None
    reviewed: datetime | None
    reviewer: str | None


_COLUMNS = [recognitions.c[each.name] for each in fields(Kept)]


class Recognitions:
    """The recognitions in the database and their files.

    Args:
        database: holds the list.
        folders: hold the files.
    """

    def __init__(self, database: Database, folders: Folders) -> None:
        self._database, self._folders = database, folders

    def add(
        self,
        result: Recognition,
        *,
        owner: str,
        granularity: Granularity = "utterance",
        options: Mapping[str, Any] | None = None,
        outline: Envelope | None = None,
        audio: Path | BinaryFile | None = None,
        id: str | None = None,  # noqa: A002
    ) -> str:
        """Keep a recognition: its files first, then its row, so that no row is without files.

        Args:
            result: the recognition.
            owner: key of the caller.
            granularity: what was asked for.
            options: what else was asked for, as JSON.
            outline: of the waveform, for the picture.
            audio: the upload, to be kept as well; an open file stays where it is.
            id: of it; adding the same again does nothing. None is a new one.

        Returns:
            The id.

        Raises:
            OptionError: it is no id.
            OutputError: the files cannot be written; nothing was kept.
            StoreError: the database cannot be reached. Whether it was kept is then not known; add it again
                under the same id, or leave it: files without a row are swept away.
        """
        name = check_id(id) if id is not None else uuid.uuid4().hex
        if id is not None and self._is_there(name):
            return name
        written = files.Files(result, granularity, outline, audio)
        size = self._folders.write(name, written.write)
        row = _row(result, granularity)
        row |= {"id": name, "owner": owner, "options": dict(options or {}), "bytes": size}
        row["has_audio"] = audio is not None
        try:
            with self._database.writing() as connection:
                connection.execute(insert(recognitions).values(row))
        except IntegrityError:  # another server was adding the same
            if not self._is_there(name):
                raise
        return name

    def get(self, id: str, owner: str | None) -> Kept | None:  # noqa: A002
        """What the list says of a recognition; None if there is none of this owner.

        Args:
            id: of it.
            owner: whose it must be; None is anybody's.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(mine(id, owner))).mappings().first()
        return None if row is None else _kept(row)

    def search(
        self,
        owner: str | None,
        *,
        text: str | None = None,
        emotion: str | None = None,
        decision: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        reviewed: bool | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Kept]:
        """Recognitions, newest first.

        Args:
            owner: whose; None is everybody's.
            text: in the file's name, the note or the corrected label, in any case.
            emotion: as recognised.
            decision: of the verdict.
            since: that moment or later.
            until: before that moment.
            reviewed: only those that a person judged, or only the others.
            cursor: of the page before.
            limit: of a page.

        Raises:
            OptionError: the cursor or the limit is not right.
            StoreError: the database cannot be reached.
        """
        table = recognitions.c
        wanted = [_of(owner)]
        if text:
            wanted.append(table.words.contains(storable(text).casefold(), autoescape=True))
        wanted += [table.emotion == emotion] if emotion is not None else []
        wanted += [table.decision == decision] if decision is not None else []
        wanted += [table.created >= since] if since is not None else []
        wanted += [table.created < until] if until is not None else []
        if reviewed is not None:
            wanted.append(table.reviewed.is_not(None) if reviewed else table.reviewed.is_(None))
        if cursor is not None:
            place = decode_cursor("recent", cursor, datetime, str)
            wanted.append(tuple_(table.created, table.id) < tuple_(*place))
        query = select(*_COLUMNS).where(*wanted).order_by(table.created.desc(), table.id.desc())
        rows = self._page(query, limit)
        last_of = rows[limit - 1] if len(rows) > limit else None
        more = None if last_of is None else encode_cursor("recent", last_of.created.isoformat(), last_of.id)
        return Page(rows[:limit], more)

    def review(self, owner: str | None, *, cursor: str | None = None, limit: int = 50) -> Page[Kept]:
        """What no person has judged yet: flagged and dropped ones first, each by its margin, smallest first.

        Args:
            owner: whose; None is everybody's.
            cursor: of the page before.
            limit: of a page.

        Raises:
            OptionError: the cursor or the limit is not right.
            StoreError: the database cannot be reached.
        """
        table = recognitions.c
        wanted = [_of(owner), table.reviewed.is_(None)]
        if cursor is not None:
            place = decode_cursor("review", cursor, float, str)
            wanted.append(tuple_(table.doubt, table.id) > tuple_(*place))
        rows = self._page(select(*_COLUMNS).where(*wanted).order_by(table.doubt, table.id), limit)
        last = rows[limit - 1] if len(rows) > limit else None
        more = (
            None if last is None else encode_cursor("review", doubt_of(last.decision, last.margin), last.id)
        )
        return Page(rows[:limit], more)

    def mark(self, id: str, owner: str | None, *, reviewer: str, reviewed: bool = True) -> Kept | None:  # noqa: A002
        """Say that a person judged it, or take that back; None if there is none of this owner.

        Raises:
            StoreError: the database cannot be reached.
        """
        values = (
            {"reviewed": now(), "reviewer": reviewer} if reviewed else {"reviewed": None, "reviewer": None}
        )
        with self._database.writing() as connection:
            connection.execute(update(recognitions).where(mine(id, owner)).values(values))
        return self.get(id, owner)

    def delete(
        self,
        id: str,  # noqa: A002
        owner: str | None,
        *,
        actor: str,
        action: str = "delete",
        detail: str | None = None,
    ) -> bool:
        """Delete a recognition with all its files and feedback; the audit log tells of it.

        It is out of sight before the first file goes. What a crash leaves is finished by :meth:`sweep`.

        Args:
            id: of it.
            owner: whose it must be; None is anybody's.
            actor: key of who deletes it.
            action: for the audit log.
            detail: for the audit log.

        Returns:
            Whether there was one.

        Raises:
            OutputError: the files cannot be removed; it is out of sight, and tried again.
            StoreError: the database cannot be reached; nothing was deleted, or all but the list's last line.
        """
        with self._database.writing() as connection:
            hidden = update(recognitions).where(mine(id, owner)).values(deleting=True)
            if connection.execute(hidden).rowcount == 0:
                return False
            log(connection, actor, action, id, detail)
        self._remove(id)
        return True

    def record(self, id: str, owner: str | None) -> dict[str, Any] | None:  # noqa: A002
        """The record of a recognition with its frames, as it was answered; None if there is none.

        Raises:
            StoreError: the database cannot be reached, or the files are gone.
        """
        with self._files(id, owner) as folder:
            return None if folder is None else files.read_record(folder)

    def recall(self, id: str, owner: str | None) -> tuple[Recognition, Envelope] | None:  # noqa: A002
        """A recognition and the outline of its waveform; None if there is none.

        Raises:
            StoreError: the database cannot be reached, or the files are gone.
        """
        with self._files(id, owner) as folder:
            return None if folder is None else files.read_recognition(folder)

    def embedding(self, id: str, owner: str | None) -> Path | None:  # noqa: A002
        """The file with the embedding, float32 (D,); None if there is no such recognition.

        Raises:
            StoreError: the database cannot be reached.
        """
        return None if self.get(id, owner) is None else self._folders.place(id) / files.EMBEDDING_FILE

    def audio(self, id: str, owner: str | None) -> Path | None:  # noqa: A002
        """The upload, if it was kept.

        Raises:
            StoreError: the database cannot be reached.
        """
        found = self.get(id, owner)
        return self._folders.place(id) / files.AUDIO_FILE if found is not None and found.has_audio else None

    def put_back(
        self,
        row: Kept,
        corrections: Iterable[Correction],
        fill: Callable[[Path], None],
        *,
        actor: str,
    ) -> None:
        """Keep a recognition again that was archived; the audit log tells of it.

        Args:
            row: its line of the list.
            corrections: what was said of it.
            fill: writes its files into a folder.
            actor: for the audit log.

        Raises:
            OptionError: its id is none.
            OutputError: the files cannot be written; nothing was kept.
            StoreError: the database cannot be reached.
        """
        size = self._folders.write(row.id, fill)
        values = {name: getattr(row, name) for name in Kept.__dataclass_fields__}
        values |= {"bytes": size, "codes": list(row.codes), "options": dict(row.options)}
        values |= {"doubt": doubt_of(row.decision, row.margin)}
        values |= {"words": words_of(row.source, row.label, row.note)}
        with self._database.writing() as connection:
            connection.execute(insert(recognitions).values(values))
            for each in corrections:
                said = {name: getattr(each, name) for name in Correction.__dataclass_fields__}
                connection.execute(insert(feedback).values(recognition=row.id, **said))
            log(connection, actor, "restore", row.id, None)

    def folder(self, id: str) -> Path | None:  # noqa: A002
        """Where the files of a recognition are; None if they are gone."""
        place = self._folders.place(id)
        return place if place.is_dir() else None

    def total_bytes(self) -> int:
        """Bytes of all files.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.coalesce(func.sum(recognitions.c.bytes), 0))) or 0)

    def oldest(self, before: datetime | None = None, limit: int = 100) -> tuple[Kept, ...]:
        """The oldest ones of all owners.

        Args:
            before: only those from before that moment.
            limit: how many at most.

        Raises:
            StoreError: the database cannot be reached.
        """
        table = recognitions.c
        query = select(*_COLUMNS).where(~table.deleting).order_by(table.created, table.id).limit(limit)
        with self._database.reading() as connection:
            found = query if before is None else query.where(table.created < before)
            return tuple(_kept(row) for row in connection.execute(found).mappings())

    def sweep(self, older: float = 3600.0) -> int:
        """Finish deletions that were cut off, and remove files of no recognition.

        Args:
            older: seconds; younger files may be being written by another server.

        Returns:
            How many folders went.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            left = connection.scalars(select(recognitions.c.id).where(recognitions.c.deleting)).all()
        for name in left:
            self._remove(name)
        return len(left) + self._folders.sweep(self._known, older)

    def _remove(self, id: str) -> None:  # noqa: A002
        self._folders.remove(id)
        with self._database.writing() as connection:
            connection.execute(delete(recognitions).where(recognitions.c.id == id, recognitions.c.deleting))

    def _known(self, ids: Collection[str]) -> Collection[str]:
        with self._database.reading() as connection:
            return connection.scalars(select(recognitions.c.id).where(recognitions.c.id.in_(ids))).all()

    def _is_there(self, id: str) -> bool:  # noqa: A002
        return id in self._known([id])

    def _page(self, query: Select[Any], limit: int) -> tuple[Kept, ...]:
        with self._database.reading() as connection:
            found = connection.execute(query.limit(check_limit(limit) + 1)).mappings()
            return tuple(_kept(row) for row in found)

    @contextmanager
    def _files(self, id: str, owner: str | None) -> Iterator[Path | None]:  # noqa: A002
        if self.get(id, owner) is None:
            yield None
            return
        try:
            yield self._folders.place(id)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the files of the recognition {id} cannot be read: is the data folder the right one?"
            ) from error


def mine(id: str, owner: str | None) -> ColumnElement[bool]:  # noqa: A002
    """The condition that a row is of an id and an owner, and not being deleted.

    Args:
        id: of a recognition.
        owner: None is anybody.
    """
    return and_(recognitions.c.id == storable(id), _of(owner))


def words_of(source: str, label: str | None, note: str | None) -> str:
    """What a search for text looks through."""
    return "\n".join(filter(None, (source, label, note))).casefold()


def doubt_of(decision: str | None, margin: float) -> float:
    """The place in the review queue: the margin, and 1 more where the verdict saw nothing wrong.

    >>> doubt_of("flag", 0.25), doubt_of("keep", 0.25)
    (0.25, 1.25)
    """
    return margin + (0.0 if decision in ("flag", "drop") else 1.0)


def _of(owner: str | None) -> ColumnElement[bool]:
    visible = ~recognitions.c.deleting
    return visible if owner is None else and_(visible, recognitions.c.owner == owner)


def _row(result: Recognition, granularity: Granularity) -> dict[str, Any]:
    first, second, *_ = sorted((*result.scores.values(), 0.0, 0.0), reverse=True)
    margin = min(1.0, max(0.0, float(first - second)))
    decision = result.verdict.decision if result.verdict else None
    return {
        "created": now(),
        "source": result.source,
        "emotion": result.emotion,
        "confidence": float(result.confidence),
        "margin": margin,
        "decision": decision,
        "codes": list(result.verdict.codes) if result.verdict else [],
        "duration": float(result.duration),
        "model": result.model.name,
        "granularity": granularity,
        "doubt": doubt_of(decision, margin),
        "words": words_of(result.source, None, None),
    }


def _kept(row: RowMapping) -> Kept:
    return Kept(**{**row, "codes": tuple(row["codes"])})
