"""The classic layout: ``NAME_result.json`` and ``NAME_embedding.npy`` for each result."""

from __future__ import annotations

import numpy as np

from emotrace.batch.entries import Entry, embedding_of, failed
from emotrace.batch.naming import Names, wanted_name
from emotrace.batch.staging import Stage
from emotrace.outputs.records import dumps
from emotrace.outputs.writing import output_errors
from emotrace.results import Array


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
        self._names = Names(stage.path("classic-names.sqlite"))

    def write(self, entry: Entry) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.write`; a failure stands in ``summary.json`` only."""
        name = self._names.take(wanted_name(entry))
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
        """Let go of the names."""
        self._names.close()

    def _save(self, name: str, embedding: Array) -> None:
        with output_errors(self._stage.out / name), self._stage.path(name).open("wb") as file:
            np.save(file, embedding, allow_pickle=False)
        self._stage.publish(name)
