"""API keys: who may ask, as digests that tell nothing of the keys themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from emotrace.store.audit import note
from emotrace.store.database import Database
from emotrace.store.schema import api_keys, ended_sessions
from emotrace.store.types import now


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, without the key.

    Attributes:
        id: public name of it; the ``owner`` of what it asks for.
        name: for people.
        hash: digest of the secret, as whoever made the key chose to write it.
        scopes: what it may do.
        created: in UTC.
        expires: when it ends by itself; None never.
        revoked: when it was; None is good.
        last_used: when it last was, about.
        rate_per_minute: requests; None is the server's own limit.
        concurrency: requests at the same time; None is the server's own limit.
    """

    id: str
    name: str
    hash: str
    scopes: frozenset[str]
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None
    rate_per_minute: int | None
    concurrency: int | None


class Keys:
    """The keys in the database.

    Args:
        database: holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        id: str,  # noqa: A002
        name: str,
        hash: str,  # noqa: A002
        scopes: Collection[str],
        *,
        expires: datetime | None = None,
        rate_per_minute: int | None = None,
        concurrency: int | None = None,
        actor: str = "local",
    ) -> Key:
        """Keep a new one; the audit log tells of it.

        Raises:
            StoreError: the database cannot be reached.
        """
        values: dict[str, Any] = {
            **{"id": id, "name": name, "hash": hash, "scopes": sorted(scopes), "created": now()},
            **{"expires": expires, "rate_per_minute": rate_per_minute, "concurrency": concurrency},
        }
        with self._database.writing() as connection:
            connection.execute(insert(api_keys).values(**values))
            note(connection, actor, "key-create", id, name)
        return Key(**{**values, "scopes": frozenset(scopes), "revoked": None, "last_used": None})

    def find(self, *, id: str | None = None, hash: str | None = None) -> Key | None:  # noqa: A002
        """The key of an id or a digest, revoked or not; None if there is none.

        Raises:
            StoreError: the database cannot be reached.
        """
        column, value = (api_keys.c.id, id) if hash is None else (api_keys.c.hash, hash)
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(column == value)).mappings().first()
        return None if row is None else _key(row)

    def list(self) -> tuple[Key, ...]:
        """All of them, oldest first, revoked ones as well.

        Raises:
            StoreError: the database cannot be reached.
        """
        query = select(api_keys).order_by(api_keys.c.created, api_keys.c.id)
        with self._database.reading() as connection:
            return tuple(_key(row) for row in connection.execute(query).mappings())

    def revoke(self, id: str, *, actor: str = "local") -> bool:  # noqa: A002
        """End a key for good; whether there was one that was good. The audit log tells of it.

        Raises:
            StoreError: the database cannot be reached.
        """
        good = (api_keys.c.id == id) & api_keys.c.revoked.is_(None)
        with self._database.writing() as connection:
            found = connection.execute(update(api_keys).where(good).values(revoked=now())).rowcount == 1
            if found:
                note(connection, actor, "key-revoke", id, None)
        return found

    def touch(self, id: str, when: datetime | None = None) -> None:  # noqa: A002
        """A key was used.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            connection.execute(update(api_keys).where(api_keys.c.id == id).values(last_used=when or now()))

    def end_session(self, digest: str, until: datetime) -> None:
        """A session was ended before its time.

        Args:
            digest: of its cookie.
            until: when it would have ended by itself, and need not be remembered any more.

        Raises:
            StoreError: the database cannot be reached.
        """
        over = (ended_sessions.c.until < now()) | (ended_sessions.c.digest == digest)
        with self._database.writing() as connection:
            connection.execute(delete(ended_sessions).where(over))
            connection.execute(insert(ended_sessions).values(digest=digest, until=until))

    def is_ended(self, digest: str) -> bool:
        """Whether a session was ended before its time.

        Raises:
            StoreError: the database cannot be reached.
        """
        query = select(ended_sessions.c.digest).where(ended_sessions.c.digest == digest)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None


def _key(row: Any) -> Key:
    return Key(**{**row, "scopes": frozenset(row["scopes"])})
