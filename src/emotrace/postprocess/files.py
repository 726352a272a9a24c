"""Files of the user that are read whole."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from emotrace.errors import InputError


def content_of(path: Path, most: int, expected: str) -> bytearray:
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
            data = read_past(file, most)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{str(path)!r} cannot be read: {reason}; expected {expected}") from error
    if len(data) > most:
        raise InputError(f"{str(path)!r} is larger than {most:,} bytes; expected {expected}")
    return data


def read_past(file: IO[bytes], most: int) -> bytearray:
    """All that is left of a file, or a little more than ``most`` bytes of it if it is longer.

    In pieces: one read of so many bytes would make room for all of them first.

    >>> from io import BytesIO
    >>> read_past(BytesIO(b"abc"), 3), len(read_past(BytesIO(bytes(3_000_000)), 10)) > 10
    (bytearray(b'abc'), True)
    """
    data = bytearray()
    while len(data) <= most and (piece := file.read(2**20)):
        data += piece
    return data
