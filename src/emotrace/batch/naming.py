"""Names of files that follow from the inputs: each is given once, in their order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

LONGEST_NAME = 180
"""Bytes of a name; with what stands behind it, every file system takes it."""


class Names:
    """Gives names out, each once, whatever the file system thinks of capitals.

    >>> names = Names()
    >>> names.take("a"), names.take("A"), names.take("a")
    ('a', 'A_2', 'a_3')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """The name, or the first free one after it."""
        low, name = wanted.casefold(), wanted
        number = self._next.get(low, 1)
        while name.casefold() in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._next[low] = number
        self._taken.add(name.casefold())
        return name


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
