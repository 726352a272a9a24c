"""Names of files that follow from the inputs: each is given once, in their order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotrace.batch.index import Tables

LONGEST_NAME = 180
"""Bytes of a name; with what stands behind it, every file system takes it."""


_TABLE = "CREATE TABLE name (folded BLOB PRIMARY KEY, name BLOB, last INTEGER) WITHOUT ROWID;"


class Names(Tables):
    """Gives names out, each once, whatever the file system thinks of capitals.

    Args:
        path: of a file that holds them; None keeps them in memory.

    >>> names = Names()
    >>> names.take("a"), names.take("A"), names.take("a"), names.has("a_3"), names.has("A_3")
    ('a', 'A_2', 'a_3', True, False)
    >>> names.close()
    """

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path, _TABLE)

    def take(self, wanted: str) -> str:
        """The name, or the first free one after it."""
        name, number = wanted, self._last(wanted)
        if number is not None:
            while self._last(name) is not None:
                number += 1
                name = f"{wanted}_{number}"
            self.rows("UPDATE name SET last = ? WHERE folded = ?", (number, _encoded(wanted.casefold())))
        self.rows("INSERT INTO name VALUES (?, ?, 1)", (_encoded(name.casefold()), _encoded(name)))
        return name

    def has(self, name: str) -> bool:
        """Whether just this name was given out."""
        command = "SELECT 1 FROM name WHERE folded = ? AND name = ?"
        return bool(self.rows(command, (_encoded(name.casefold()), _encoded(name))))

    def _last(self, name: str) -> int | None:
        """The last number that was put behind a name; 1 if none was, None if it was not given out."""
        found = self.rows("SELECT last FROM name WHERE folded = ?", (_encoded(name.casefold()),))
        return int(found[0][0]) if found else None


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def wanted_name(entry: Mapping[str, Any], *, times: bool = True) -> str:
    """The name of an entry's recording, without folders and ending.

    Args:
        entry: see :data:`~emotrace.batch.entries.Entry`.
        times: put those of a segment behind it.

    >>> wanted_name({"file": "calls/a.wav", "start": 1.0, "end": 2.5})
    'a_1-2.5'
    """
    stem = os.path.splitext(os.path.basename(entry["file"]))[0]  # noqa: PTH119, PTH122
    if times and (entry["start"] or entry["end"] is not None):
        stem += f"_{entry['start']:g}-" + ("" if entry["end"] is None else f"{entry['end']:g}")
    stem = stem.replace("\0", "_").lstrip(".") or "recording"
    encoded = os.fsencode(stem)
    if len(encoded) <= LONGEST_NAME:
        return stem
    kept = encoded[: LONGEST_NAME - 20].decode("utf-8", "ignore")
    return f"{kept}_{hashlib.blake2b(encoded, digest_size=8).hexdigest()}"
