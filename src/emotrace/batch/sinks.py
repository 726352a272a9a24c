"""The forms that a finished batch is written out in: CSV and JSON Lines, and the seam for others.

A sink is given every entry in the order of the inputs. What it writes takes its name only in ``publish``, so
an earlier one stays whole until then.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Protocol

from emotrace.batch.entries import COLUMNS, Entry, Kind, extra_cells, extra_columns, row_of
from emotrace.batch.staging import Stage
from emotrace.errors import MissingExtraError, OptionError
from emotrace.outputs import formats as outputs
from emotrace.outputs.formats import ANNOTATIONS
from emotrace.outputs.records import dumps
from emotrace.outputs.table import safe
from emotrace.outputs.writing import output_errors

CSV_FILE = "results.csv"
JSON_LINES_FILE = "results.jsonl"

CSV_COLUMNS = tuple(name for name in COLUMNS if name != "segments")

FORMATS = ("parquet", "csv", "jsonl", "classic", *ANNOTATIONS)
"""The forms, by name."""


class Sink(Protocol):
    """One form of output."""

    name: str
    """What it writes, as a name in the output folder."""

    def write(self, entry: Entry) -> None:
        """The next entry.

        Raises:
            OutputError: it cannot be written.
        """

    def publish(self) -> None:
        """All were written: take the place of what was there.

        Raises:
            OutputError: it cannot be written.
        """

    def close(self) -> None:
        """Let go of all files; nothing is published any more."""


class _TextSink:
    """A text file that is written line by line."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.name = name
        self._stage = stage
        self._place = stage.out / name
        self._file = stage.open(name)

    def publish(self) -> None:
        """See :meth:`Sink.publish`."""
        with output_errors(self._place):
            self._file.close()
        self._stage.publish(self.name)

    def close(self) -> None:
        """See :meth:`Sink.close`."""
        with suppress(OSError):
            self._file.close()


class CsvSink(_TextSink):
    """``results.csv``: a row per input; lists as words or sentences, what does not apply is empty."""

    def __init__(self, stage: Stage, extra: Mapping[str, Kind]) -> None:
        super().__init__(stage, CSV_FILE)
        self._extra, self._columns = extra, extra_columns(extra)
        columns = (*CSV_COLUMNS, *self._columns.values())
        self._plain = csv.DictWriter(self._file, columns, lineterminator="\n", extrasaction="ignore")
        self._quoted = csv.DictWriter(
            self._file, columns, lineterminator="\n", extrasaction="ignore", quoting=csv.QUOTE_ALL
        )
        with output_errors(self._place):
            self._plain.writeheader()

    def write(self, entry: Entry) -> None:
        """See :meth:`Sink.write`."""
        row = row_of(entry) | extra_cells(entry, self._extra, self._columns)
        cells = {name: _cell(name, value) for name, value in row.items()}
        returns = any("\r" in cell for cell in cells.values())  # which are not quoted by themselves
        with output_errors(self._place):
            (self._quoted if returns else self._plain).writerow(cells)


class JsonLinesSink(_TextSink):
    """``results.jsonl``: what ``emotrace analyze --json`` gives, with ``file``, ``start`` and ``end``.

    The other columns of a table of inputs are in ``given``.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, JSON_LINES_FILE)

    def write(self, entry: Entry) -> None:
        """See :meth:`Sink.write`."""
        with output_errors(self._place):
            self._file.write(line_of(entry))


def line_of(entry: Entry) -> str:
    """The line of an entry in ``results.jsonl``."""
    record = {name: entry[name] for name in ("file", "start", "end")}
    record["processing_seconds"] = entry["seconds"]
    if entry.get("extra"):
        record["given"] = entry["extra"]
    return dumps({**entry["record"], **record}) + "\n"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return safe((" " if name == "reasons" else "; ").join(map(str, value)))
    return safe(value) if isinstance(value, str) else str(value)


def open_sinks(
    stage: Stage, formats: tuple[str, ...], stack: ExitStack, extra: Mapping[str, Kind]
) -> list[Sink]:
    """The sinks of some forms.

    Args:
        stage: where they write.
        formats: names out of :data:`FORMATS`.
        stack: closes them.
        extra: the other columns of tables of inputs.

    Raises:
        OutputError: the folder cannot be written to.
    """
    from emotrace.batch.annotations import AnnotationSink, AudformatSink
    from emotrace.batch.classic import ClassicSink
    from emotrace.batch.parquet import ParquetSink

    kinds: dict[str, Callable[[Stage], Sink]] = {
        "parquet": partial(ParquetSink, extra=extra),
        "csv": partial(CsvSink, extra=extra),
        "jsonl": JsonLinesSink,
        "classic": ClassicSink,
        **{name: partial(AnnotationSink, form=outputs.FORMATS[name]) for name in ANNOTATIONS},
        "audformat": AudformatSink,
    }
    sinks: list[Sink] = []
    for name in dict.fromkeys(formats):
        sinks.append(kinds[name](stage))
        stack.callback(sinks[-1].close)
    return sinks


def check_formats(formats: tuple[str, ...]) -> None:
    """Find out before the work whether the forms can be written.

    Raises:
        OptionError: there is no such form, or none is asked for.
        MissingExtraError: Parquet is asked for without the extra ``analysis``, audformat without ``formats``.
    """
    for name in formats or ("",):
        if name not in FORMATS:
            raise OptionError(f"format is {name!r}; expected one of {', '.join(FORMATS)}")
        if name in ANNOTATIONS:
            outputs.FORMATS[name].check()
    if "parquet" in formats and not parquet_is_there():
        raise MissingExtraError(
            "the format parquet needs pyarrow: pip install 'emotrace[analysis]'; or ask for csv or jsonl"
        )


def parquet_is_there() -> bool:
    """Whether Parquet can be written."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None
