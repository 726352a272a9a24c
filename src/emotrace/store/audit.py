"""The audit log: who saw or removed what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from emotrace.store.database import Database
from emotrace.store.paging import Page, check_limit, decode_cursor, encode_cursor
from emotrace.store.schema import audit
from emotrace.store.types import now, storable

RETENTION = "retention"
"""Who removes what is old: the service itself."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done.

    Attributes:
        id: counts up.
        at: when, in UTC.
        actor: key of the caller; ``"retention"`` is the service itself.
        action: for example ``"read"`` or ``"delete"``.
        subject: id of what it was done to.
        detail: more, for people.
    """

    id: int
    at: datetime
    actor: str
    action: str
    subject: str | None
    detail: str | None


class Audit:
    """The log in the database; nothing in it is ever changed.

    Args:
        database: holds it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, actor: str, action: str, subject: str | None = None, detail: str | None = None) -> None:
        """Write one line.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            note(connection, actor, action, subject, detail)

    def list(
        self,
        *,
        actor: str | None = None,
        subject: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[AuditEntry]:
        """Newest first.

        Args:
            actor: only of this caller.
            subject: only of this id.
            cursor: of the page before.
            limit: lines of a page.

        Raises:
            OptionError: the cursor or the limit is not right.
            StoreError: the database cannot be reached.
        """
        query = select(audit).order_by(audit.c.id.desc()).limit(check_limit(limit) + 1)
        if actor is not None:
            query = query.where(audit.c.actor == storable(actor))
        if subject is not None:
            query = query.where(audit.c.subject == storable(subject))
        if cursor is not None:
            [last] = decode_cursor("audit", cursor, int)
            query = query.where(audit.c.id < last)
        with self._database.reading() as connection:
            rows = [AuditEntry(**row) for row in connection.execute(query).mappings()]
        more = encode_cursor("audit", rows[limit - 1].id) if len(rows) > limit else None
        return Page(tuple(rows[:limit]), more)

    def forget(self, before: datetime) -> int:
        """Remove what is older; how many lines that were.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            return connection.execute(delete(audit).where(audit.c.at < before)).rowcount


def note(connection: Connection, actor: str, action: str, subject: str | None, detail: str | None) -> None:
    """Write one line inside a transaction."""
    line: dict[str, Any] = {"at": now(), "actor": actor, "action": action, "subject": subject}
    connection.execute(insert(audit).values(**line, detail=detail))
