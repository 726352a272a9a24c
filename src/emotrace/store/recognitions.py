"""Recognitions: kept, found again, deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from emotrace.audio.sources import BinaryFile
from emotrace.errors import DiskFullError, EmotraceError, StoreError
from emotrace.outputs.envelope import Envelope
from emotrace.outputs.records import Granularity
from emotrace.results import Recognition
from emotrace.store import files
from emotrace.store.audit import note as log
from emotrace.store.database import Database
from emotrace.store.folders import Folders, check_id
from emotrace.store.kept import Correction, Kept, doubt_of, mine, row_of, words_of
from emotrace.store.listing import Listing
from emotrace.store.schema import feedback, recognitions
from emotrace.store.types import now


class Recognitions(Listing):
    """The recognitions in the database and their files.

    Args:
        database: holds the list.
        folders: hold the files.
    """

    def __init__(self, database: Database, folders: Folders) -> None:
        super().__init__(database)
        self._folders = folders

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
            StoreError: the database cannot be reached. If it went while it was written, nobody knows whether
                it was kept: add it again under the same id, or leave it, files without a row are swept away.
        """
        name = check_id(id) if id is not None else uuid.uuid4().hex
        if id is not None and self._is_there(name):
            return name
        written = files.Files(result, granularity, outline, audio)
        size, made = self._folders.write(name, written.write)
        row = row_of(result, granularity)
        row |= {"id": name, "owner": owner, "options": dict(options or {}), "bytes": size}
        row["has_audio"] = audio is not None
        inserted = False
        try:
            with self._database.writing() as connection:
                connection.execute(insert(recognitions), row)
                inserted = True
        except IntegrityError:  # another server was adding the same
            if not self._is_there(name):
                raise
        except EmotraceError as error:
            if made and (not inserted or isinstance(error, DiskFullError)):  # else it may be committed
                self._folders.remove(name)
            raise
        return name

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
        size, _ = self._folders.write(row.id, fill)
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

    def sweep(self, older: float = 3600.0, stop: Callable[[], bool] = lambda: False) -> int:
        """Finish deletions that were cut off, and remove files of no recognition.

        Args:
            older: seconds; younger files may be being written by another server.
            stop: see :func:`~emotrace.store.retention.tidy`.

        Returns:
            How many folders went.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            left = connection.scalars(select(recognitions.c.id).where(recognitions.c.deleting)).all()
        for name in left:
            self._remove(name)
        return len(left) + self._folders.sweep(self._known, older, stop)

    def _remove(self, id: str) -> None:  # noqa: A002
        self._folders.remove(id)
        with self._database.writing() as connection:
            connection.execute(delete(recognitions).where(recognitions.c.id == id, recognitions.c.deleting))

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
