"""Feedback: what a person says the emotion really was; every correction stays."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from emotrace.errors import OptionError
from emotrace.labels import LABELS, label_index
from emotrace.store.audit import note as log
from emotrace.store.database import Database
from emotrace.store.kept import Correction, mine, words_of
from emotrace.store.schema import feedback, recognitions
from emotrace.store.types import now

LONGEST_NOTE = 4000
"""Characters."""


class Feedback:
    """The corrections in the database.

    Args:
        database: holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, recognition: str, *, owner: str | None, author: str, label: str | None, note: str | None
    ) -> Correction | None:
        """Say what a recognition really is; with a label it counts as reviewed.

        Args:
            recognition: id.
            owner: whose it must be; None is anybody's.
            author: key of the caller.
            label: one of the nine emotions, in any spelling that :func:`emotrace.labels.label_index` knows.
            note: up to :data:`LONGEST_NOTE` characters.

        Returns:
            The correction; None if there is no such recognition.

        Raises:
            LabelError: the label is none of the nine.
            OptionError: there is neither label nor note, or the note is too long.
            StoreError: the database cannot be reached.
        """
        if not (label or note):
            raise OptionError("there is neither a label nor a note; expected one of them at least")
        if note is not None and len(note) > LONGEST_NOTE:
            raise OptionError(f"the note has {len(note)} characters; expected at most {LONGEST_NOTE}")
        given = Correction(author, now(), LABELS[label_index(label)] if label else None, note or None)
        with self._database.writing() as connection:
            found = mine(recognition, owner)
            row = connection.execute(select(recognitions).where(found).with_for_update()).mappings().first()
            if row is None:
                return None
            latest = {"label": given.label or row["label"], "note": given.note or row["note"]}
            seen = {"reviewed": given.created, "reviewer": author} if given.label else {}
            words = words_of(row["source"], latest["label"], latest["note"])
            connection.execute(
                insert(feedback).values(
                    recognition=recognition,
                    author=author,
                    created=given.created,
                    label=given.label,
                    note=given.note,
                )
            )
            connection.execute(update(recognitions).where(found).values(words=words, **latest, **seen))
            log(connection, author, "feedback", recognition, given.label)
        return given

    def list(self, recognition: str) -> tuple[Correction, ...]:
        """All of a recognition's, oldest first.

        Raises:
            StoreError: the database cannot be reached.
        """
        columns = (feedback.c.author, feedback.c.created, feedback.c.label, feedback.c.note)
        query = select(*columns).where(feedback.c.recognition == recognition).order_by(feedback.c.id)
        with self._database.reading() as connection:
            return tuple(Correction(**row) for row in connection.execute(query).mappings())
