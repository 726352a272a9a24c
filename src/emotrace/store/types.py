"""Types of columns that are the same in SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator

Number = BigInteger().with_variant(Integer, "sqlite")
"""A whole number that counts up by itself as a primary key, in SQLite as well."""


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(timezone.utc)


class Moment(TypeDecorator[datetime]):
    """A time in UTC, to the microsecond; SQLite, which knows no zones, gets it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        moment = value.astimezone(timezone.utc)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        moment: datetime = value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value
        return moment.astimezone(timezone.utc)


class Words(TypeDecorator[str]):
    """A text; what a database cannot hold (a lone surrogate, NUL) becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else storable(value)


def storable(text: str) -> str:
    r"""A text as every database can hold it.

    >>> storable("a\x00b\udc80")
    'a\ufffdb\ufffd'
    """
    clean = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= c <= "\udfff" else c for c in clean)
