"""audformat: one database for any number of recordings; needs the extra ``formats``."""

from __future__ import annotations

import io
import math
import sys
import tempfile
import zipfile
from array import array
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.labels import EMOTIONS, LABELS
from emotrace.outputs.annotation import Annotation, Interval
from emotrace.outputs.records import DIGITS
from emotrace.outputs.writing import output_errors

SEGMENTS = "emotion.segments"
RECORDINGS = "emotion.recordings"


class Database:
    """Collects annotations for a database.

    Table ``emotion.segments`` has a row per stretch of one emotion, ``emotion.recordings`` one for the whole
    of each recording, or of each segment that was given by hand. Both are indexed by ``file``, ``start`` and
    ``end`` and have ``emotion``, ``confidence`` and a probability for each emotion; the second also has
    ``verdict`` and ``reasons``.
    """

    def __init__(self) -> None:
        self._segments = _Rows()
        self._wholes = _Rows()
        self._models: set[str] = set()

    def add(self, annotation: Annotation) -> None:
        """Add what is known of a recording."""
        file = annotation.source.encode("utf-8", "backslashreplace").decode("utf-8")
        verdicts = {(each.start, each.end): each.label for each in annotation.verdicts}
        for each in annotation.emotions:
            self._segments.add(file, each, "")
        for each in annotation.wholes:
            self._wholes.add(file, each, verdicts.get((each.start, each.end), ""))
        self._models.add(annotation.model)

    def save(self, folder: Path) -> None:
        """Write it.

        Args:
            folder: made if it is not there.

        Raises:
            OutputError: it cannot be written.
        """
        with output_errors(folder):
            self._database().save(str(folder))

    def zipped(self) -> bytes:
        """The database as a ZIP archive."""
        memory = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(memory, "w") as archive:
            self.save(Path(folder))
            for path in sorted(Path(folder).iterdir()):
                name = zipfile.ZipInfo(
                    path.name
                )  # with the same time always: the same database, the same bytes
                name.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(name, path.read_bytes())
        return memory.getvalue()

    def _database(self) -> Any:
        import audformat

        database = audformat.Database(
            "emotrace",
            usage=audformat.define.Usage.OTHER,
            description="Emotions recognised in speech by emotrace.",
        )
        models = ", ".join(sorted(self._models))
        database.raters["model"] = audformat.Rater(audformat.define.RaterType.MACHINE, description=models)
        names = {each.name: {"zh": each.zh} for each in EMOTIONS}
        database.schemes["emotion"] = audformat.Scheme("str", labels=names)
        database.schemes["probability"] = audformat.Scheme("float", minimum=0.0, maximum=1.0)
        database.schemes["verdict"] = audformat.Scheme("str", labels=["keep", "flag", "drop"])
        database.schemes["reasons"] = audformat.Scheme("str", description="codes, with spaces between them")
        self._segments.add_table(database, SEGMENTS)
        table = self._wholes.add_table(database, RECORDINGS)
        for column, verdict in zip(("verdict", "reasons"), self._wholes.verdicts(), strict=True):
            _fill(table, column, column, verdict)
        return database


class _Rows:
    """The rows of a table, close together in memory."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._times = array("q")
        self._labels: list[str] = []
        self._scores = array("f")
        self._verdicts: list[str] = []

    def add(self, file: str, interval: Interval, verdict: str) -> None:
        self._files.append(file)
        self._times.extend((interval.start, interval.end))
        self._labels.append(sys.intern(interval.label))
        scores = (interval.scores.get(label, math.nan) for label in LABELS)
        self._scores.extend((math.nan if interval.confidence is None else interval.confidence, *scores))
        self._verdicts.append(sys.intern(verdict))

    def add_table(self, database: Any, name: str) -> Any:
        """Put the table into a database; of rows with one index the first stays."""
        import audformat
        import pandas

        times = np.frombuffer(self._times, np.int64).reshape(-1, 2)
        starts, ends = (pandas.to_timedelta(times[:, place], unit="ms") for place in (0, 1))
        index = audformat.segmented_index(self._files, starts, ends)
        self._kept = ~index.duplicated()
        table = database[name] = audformat.Table(index[self._kept])
        scores = np.frombuffer(self._scores, np.float32).reshape(-1, 1 + len(LABELS))[self._kept]
        _fill(table, "emotion", "emotion", self._keep(self._labels))
        for column, values in zip(("confidence", *LABELS), scores.T, strict=True):
            _fill(table, column, "probability", np.round(values.astype(np.float64), DIGITS))
        return table

    def verdicts(self) -> Iterator[list[str | None]]:
        """Decisions and codes of the rows of the table."""
        told = [verdict.partition(": ") for verdict in self._keep(self._verdicts)]
        for place in (0, 2):
            yield [each[place] or None for each in told]

    def _keep(self, values: list[str]) -> list[str]:
        return list(compress(values, self._kept))


def _fill(table: Any, column: str, scheme: str, values: Any) -> None:
    import audformat

    table[column] = audformat.Column(scheme_id=scheme, rater_id="model")
    table[column].set(values)
