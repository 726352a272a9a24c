"""Pages of a list that grows: a cursor says where the last one ended, so nothing comes twice or is missed."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

from emotrace.errors import OptionError
from emotrace.store.types import storable

Row = TypeVar("Row")

_LARGEST = 2**63 - 1

MOST = 500
"""Rows of a page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list.

    Attributes:
        items: in order.
        cursor: asks for the next page; None after the last.
    """

    items: tuple[Row, ...]
    cursor: str | None


def encode_cursor(kind: str, *place: str | float | int) -> str:
    """A cursor that clients give back as it is.

    Args:
        kind: of list; a cursor of another is refused.
        place: of the last row.

    >>> decode_cursor("recent", encode_cursor("recent", 0.1, "a7"), float, str)
    [0.1, 'a7']
    """
    text = json.dumps([kind, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str, *types: type) -> list[Any]:
    """The place that a cursor is of.

    Args:
        kind: of list.
        cursor: as a client gave it.
        types: of the parts of a place; a datetime was written as ISO 8601 has it.

    Raises:
        OptionError: it is no cursor of such a list.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, *place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if found == kind:
            return [_READ[kind_of](each) for kind_of, each in zip(types, place, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise OptionError("the cursor is none of this list; send the one of its last page, unchanged, or none")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return storable(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or abs(value) > _LARGEST:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise TypeError
    return value


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value).astimezone(timezone.utc)


_READ: dict[type, Callable[[Any], Any]] = {str: _text, int: _whole, float: _number, datetime: _moment}


def check_limit(limit: int) -> int:
    """Rows that a page may have.

    Raises:
        OptionError: more, or none.
    """
    if not 1 <= limit <= MOST:
        raise OptionError(f"option limit is {limit}; expected 1 to {MOST}")
    return limit
