"""The classic layout: ``NAME_result.json`` and ``NAME_embedding.npy`` for each result."""

from __future__ import annotations

import hashlib
import os

import numpy as np

from emotrace.batch.entries import Entry, embedding_of, failed
from emotrace.batch.staging import Stage
from emotrace.outputs.records import dumps
from emotrace.outputs.writing import output_errors
from emotrace.results import Array

LONGEST_NAME = 180
"""Bytes of a name; with what stands behind it, every file system takes it."""


class ClassicSink:
    """Two files for each result; a name that is taken gets ``_2``, ``_3`` ... behind.

    The names follow from the inputs and their order alone, so a batch that is run again writes the same
    files. Each is there whole or not at all.

    Args:
        stage: where they are written.
    """

    name = "*_result.json"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._names = _Names()

    def write(self, entry: Entry) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.write`; a failure stands in ``summary.json`` only."""
        name = self._names.take(_wanted(entry))
        if failed(entry):
            return
        with self._stage.writing(f"{name}_result.json") as file:
            file.write(dumps(entry["record"], indent=2) + "\n")
        embedding = embedding_of(entry)
        if embedding is not None:
            self._save(f"{name}_embedding.npy", embedding)

    def publish(self) -> None:
        """All took their names already; the next run writes them again."""

    def close(self) -> None:
        """Nothing is open."""

    def _save(self, name: str, embedding: Array) -> None:
        with output_errors(self._stage.out / name), self._stage.path(name).open("wb") as file:
            np.save(file, embedding, allow_pickle=False)
        self._stage.publish(name)


class _Names:
    """Gives names out, each once, whatever the file system thinks of capitals."""

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


def _wanted(entry: Entry) -> str:
    stem = os.path.splitext(os.path.basename(entry["file"]))[0]  # noqa: PTH119, PTH122
    if entry["start"] or entry["end"] is not None:
        stem += f"_{entry['start']:g}-" + ("" if entry["end"] is None else f"{entry['end']:g}")
    stem = stem.replace("\0", "_").lstrip(".") or "recording"
    encoded = os.fsencode(stem)
    if len(encoded) <= LONGEST_NAME:
        return stem
    kept = encoded[: LONGEST_NAME - 20].decode("utf-8", "ignore")
    return f"{kept}_{hashlib.blake2b(encoded, digest_size=8).hexdigest()}"
