"""The list of recognitions: searched, paged, queued for review."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, tuple_

from emotrace.store.database import Database
from emotrace.store.kept import COLUMNS, Kept, doubt_of, kept_of, mine, visible_to
from emotrace.store.paging import Page, check_limit, decode_cursor, encode_cursor
from emotrace.store.schema import recognitions
from emotrace.store.types import storable


class Listing:
    """The lines of the list, without the files.

    Args:
        database: holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, id: str, owner: str | None) -> Kept | None:  # noqa: A002
        """What the list says of a recognition; None if there is none of this owner.

        Args:
            id: of it.
            owner: whose it must be; None is anybody's.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(*COLUMNS).where(mine(id, owner))).mappings().first()
        return None if row is None else kept_of(row)

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
        wanted = [visible_to(owner)]
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
        query = select(*COLUMNS).where(*wanted).order_by(table.created.desc(), table.id.desc())
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
        wanted = [visible_to(owner), table.reviewed.is_(None)]
        if cursor is not None:
            place = decode_cursor("review", cursor, float, str)
            wanted.append(tuple_(table.doubt, table.id) > tuple_(*place))
        rows = self._page(select(*COLUMNS).where(*wanted).order_by(table.doubt, table.id), limit)
        last = rows[limit - 1] if len(rows) > limit else None
        more = (
            None if last is None else encode_cursor("review", doubt_of(last.decision, last.margin), last.id)
        )
        return Page(rows[:limit], more)

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
        query = select(*COLUMNS).where(~table.deleting).order_by(table.created, table.id).limit(limit)
        with self._database.reading() as connection:
            found = query if before is None else query.where(table.created < before)
            return tuple(kept_of(row) for row in connection.execute(found).mappings())

    def _known(self, ids: Collection[str]) -> Collection[str]:
        with self._database.reading() as connection:
            return connection.scalars(select(recognitions.c.id).where(recognitions.c.id.in_(ids))).all()

    def _is_there(self, id: str) -> bool:  # noqa: A002
        return id in self._known([id])

    def _page(self, query: Select[Any], limit: int) -> tuple[Kept, ...]:
        with self._database.reading() as connection:
            found = connection.execute(query.limit(check_limit(limit) + 1)).mappings()
            return tuple(kept_of(row) for row in found)
