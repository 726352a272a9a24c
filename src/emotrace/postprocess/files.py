"""Files of the user that are read whole."""

from __future__ import annotations

from pathlib import Path

from emotrace.errors import InputError


def content_of(path: Path, most: int, expected: str) -> bytes:
    """All of a file.

    Args:
        path: of it.
        most: bytes; a larger one is refused, whatever the system says of its size.
        expected: what it should be, for the messages.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{str(path)!r} cannot be read: {reason}; expected {expected}") from error
    if len(data) > most:
        raise InputError(f"{str(path)!r} is larger than {most:,} bytes; expected {expected}")
    return data
