"""Times and sizes as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from emotrace.errors import OptionError

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}
_MOST_DAYS = 36_500
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "input"), counted(2, "input")
    ('1 input', '2 inputs')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration_of(text: str, name: str) -> timedelta:
    """A time of hours, days or weeks.

    Args:
        text: such as ``12h``, ``7d`` or ``52w``.
        name: of the option.

    Raises:
        OptionError: it is none, or longer than a hundred years.

    >>> duration_of("36h", "older-than")
    datetime.timedelta(days=1, seconds=43200)
    """
    found = re.fullmatch(f"{_NUMBER}([hdw])", text)
    days = float(found[1]) * _DAYS[found[2]] if found else 0.0
    if not 0 < days <= _MOST_DAYS:
        raise OptionError(f"{name} is {text[:60]!r}; expected a time such as 12h, 90d or 52w")
    return timedelta(days=days)


def bytes_of(text: str, name: str) -> int:
    """A number of bytes.

    Args:
        text: such as ``500MB`` (a million times 500) or ``2GiB`` (of 1024s).
        name: of the option.

    Raises:
        OptionError: it is none.

    >>> bytes_of("2GiB", "max-size"), bytes_of("1.5kB", "max-size")
    (2147483648, 1500)
    """
    found = re.fullmatch(f"{_NUMBER} ?([kmgt]?)(i?)b?", text.lower())
    if found is None or (found[3] and not found[2]):
        raise OptionError(f"{name} is {text[:60]!r}; expected a size such as 500MB or 2GiB")
    base = 1024.0 if found[3] else 1000.0
    return round(float(found[1]) * base ** _POWERS[found[2]])


def shown_bytes(count: int) -> str:
    """A number of bytes for people.

    >>> shown_bytes(999), shown_bytes(1_260_000)
    ('999 B', '1.3 MB')
    """
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
