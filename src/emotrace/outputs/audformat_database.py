"""audformat: one database for any number of recordings; needs the extra ``formats``."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any, TypeAlias

from emotrace.labels import EMOTIONS, LABELS
from emotrace.outputs.annotation import Annotation, Interval
from emotrace.outputs.writing import output_errors

SEGMENTS = "emotion.segments"
RECORDINGS = "emotion.recordings"

_Key: TypeAlias = tuple[str, int, int]  # file, start and end in milliseconds


class Database:
    """Collects annotations for a database.

    Table ``emotion.segments`` has a row per stretch of one emotion, ``emotion.recordings`` one for the whole
    of each recording, or of each segment that was given by hand. Both are indexed by ``file``, ``start`` and
    ``end`` and have ``emotion``, ``confidence`` and a probability for each emotion; the second also has
    ``verdict`` and ``reasons``.
    """

    def __init__(self) -> None:
        self._segments: dict[_Key, Interval] = {}
        self._wholes: dict[_Key, Interval] = {}
        self._verdicts: dict[_Key, str] = {}
        self._models: set[str] = set()

    def add(self, annotation: Annotation) -> None:
        """Add what is known of a recording; what is there already is not added again."""
        file = annotation.source.encode("utf-8", "backslashreplace").decode("utf-8")
        for each in annotation.emotions:
            self._segments.setdefault((file, each.start, each.end), each)
        for each in annotation.wholes:
            self._wholes.setdefault((file, each.start, each.end), each)
        for each in annotation.verdicts:
            self._verdicts.setdefault((file, each.start, each.end), each.label)
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
        _add(database, SEGMENTS, self._segments)
        _add(database, RECORDINGS, self._wholes)
        told = [self._verdicts.get(key, "").partition(": ") for key in self._wholes]
        _fill(database[RECORDINGS], "verdict", "verdict", [decision or None for decision, _, _ in told])
        _fill(database[RECORDINGS], "reasons", "reasons", [codes or None for _, _, codes in told])
        return database


def _add(database: Any, name: str, rows: dict[_Key, Interval]) -> None:
    import audformat
    import pandas

    starts, ends = ([key[place] for key in rows] for place in (1, 2))
    index = audformat.segmented_index(
        [file for file, _, _ in rows],
        pandas.to_timedelta(starts, unit="ms"),
        pandas.to_timedelta(ends, unit="ms"),
    )
    table = database[name] = audformat.Table(index)
    intervals = list(rows.values())
    _fill(table, "emotion", "emotion", [each.label for each in intervals])
    _fill(table, "confidence", "probability", [each.confidence for each in intervals])
    for label in LABELS:
        _fill(table, label, "probability", [each.scores.get(label) for each in intervals])


def _fill(table: Any, column: str, scheme: str, values: list[Any]) -> None:
    import audformat

    table[column] = audformat.Column(scheme_id=scheme, rater_id="model")
    table[column].set(values)
