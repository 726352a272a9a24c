"""``results.parquet``: one data set, a row per recording or segment."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from emotrace.batch.entries import (
    COLUMNS,
    QUALITY,
    Entry,
    Kind,
    embedding_of,
    extra_cells,
    extra_columns,
    row_of,
)
from emotrace.batch.staging import Stage
from emotrace.errors import OutputError
from emotrace.labels import LABELS
from emotrace.outputs.writing import output_error, output_errors

PARQUET_FOLDER = "results.parquet"

GROUP_ROWS = 1000
"""Rows of a row group; so many are in memory."""

PART_ROWS = 100_000
"""Rows of a file."""


class ParquetSink:
    """A folder of Parquet files; pandas, DuckDB (``results.parquet/*.parquet``) and Spark read it.

    Args:
        stage: where it is written.
        extra: the other columns of tables of inputs.

    Raises:
        OutputError: it cannot be written to.
    """

    name = PARQUET_FOLDER

    def __init__(self, stage: Stage, extra: Mapping[str, Kind]) -> None:
        self._stage = stage
        self._extra, self._columns = extra, extra_columns(extra)
        self._place = stage.out / PARQUET_FOLDER
        self._rows: list[dict[str, Any]] = []
        self._written = 0
        self._writer: Any = None
        with output_errors(self._place):
            stage.path(self.name).mkdir()

    def write(self, entry: Entry) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.write`."""
        row = row_of(entry) | extra_cells(entry, self._extra, self._columns)
        row = {_text(name): _text(value) for name, value in row.items()}
        row["embedding"] = embedding_of(entry)
        self._rows.append(row)
        if len(self._rows) >= GROUP_ROWS:
            self._flush()

    def publish(self) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.publish`."""
        if self._rows or not self._written:
            self._flush()
        self._finish()
        self._stage.publish(self.name)

    def close(self) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.close`."""
        with suppress(OutputError):
            self._finish()

    def _flush(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        table = pa.Table.from_pylist(self._rows, schema=_schema(self._extra, self._columns))
        self._rows = []
        try:
            if self._written % PART_ROWS == 0:
                self._finish()
                part = self._stage.path(self.name) / f"part-{self._written // PART_ROWS:05d}.parquet"
                self._writer = parquet.ParquetWriter(part, table.schema, compression="zstd")
            self._writer.write_table(table)
        except OSError as error:
            raise output_error(self._place, error) from error
        self._written += table.num_rows

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with output_errors(self._place):
                writer.close()


def _text(value: Any) -> Any:
    """Text that UTF-8 can hold, as names of files need not be."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return [_text(each) for each in value] if isinstance(value, list) else value


def _schema(extra: Mapping[str, Kind], columns: Mapping[str, str]) -> Any:
    import pyarrow as pa

    text, number, words = pa.string(), pa.float64(), pa.list_(pa.string())
    segment = pa.struct([("start", number), ("end", number), ("emotion", text), ("confidence", number)])
    kinds = dict.fromkeys(COLUMNS, text)
    kinds |= dict.fromkeys(("start", "end", "confidence", *LABELS), number)
    kinds |= dict.fromkeys(("duration_seconds", "speech_seconds", "processing_seconds"), number)
    kinds |= {f"quality_{name}": number for name in QUALITY if name != "content"}
    kinds |= {"reasons": words, "warnings": words, "segments": pa.list_(segment)}
    of_kind = {"boolean": pa.bool_(), "integer": pa.int64(), "number": number, "text": text}
    more = [(_text(columns[name]), of_kind[kind]) for name, kind in extra.items()]
    return pa.schema([*kinds.items(), *more, ("embedding", pa.list_(pa.float32()))])
