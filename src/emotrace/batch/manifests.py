"""Lists of recordings and segments: text, CSV, JSON Lines and Parquet, read row by row.

A text list has one path on each line, or paths between null bytes (``find -print0``). A table has a column
``file`` (or ``path``, ``source``, ``audio``, ``filename``, ``audio_filepath``, 文件), and where only a part
is meant ``start`` and ``end`` in seconds; other columns do not matter. Relative paths start from the folder
of the list. A row that is wrong is one failed input; the others are done.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from emotrace.batch.jobs import Job, segment_times
from emotrace.batch.listing import meant_by
from emotrace.errors import InputError, MissingExtraError
from emotrace.results import Failure

FILE = ("file", "path", "source", "audio", "filename", "audio_filepath", "文件")
"""Names of the column that says which recording is meant."""

LISTS = frozenset({".txt", ".lst", ".list"})
TABLES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})


def jobs_of(inputs: Sequence[str], leave_out: str | None = None, stdin: bytes | None = None) -> Iterator[Job]:
    """The jobs that the arguments of a batch mean, in order.

    Args:
        inputs: recordings, folders, patterns, lists or tables (by their endings); ``-`` is ``stdin``.
        leave_out: a folder that is not entered.
        stdin: a text list.

    Raises:
        InputError: a list or table cannot be read at all.
        MissingExtraError: a Parquet table came without the extra ``analysis``.
    """
    for given in inputs:
        suffix = Path(given).suffix.lower()
        if given == "-":
            yield from _listed(stdin or b"", "")
        elif suffix in LISTS | TABLES and os.path.isfile(given):  # noqa: PTH113
            yield from (_text_list if suffix in LISTS else _table)(given, suffix)
        else:
            for item in meant_by(given, leave_out):
                yield Job(item) if isinstance(item, str) else Job(item.source, failure=item)


def _text_list(path: str, _suffix: str) -> Iterator[Job]:
    with _explained(path):
        data = Path(path).read_bytes()
    yield from _listed(data, os.path.dirname(path))  # noqa: PTH120


def _listed(data: bytes, folder: str) -> Iterator[Job]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = data.split(b"\0") if b"\0" in data else data.split(b"\n")
    for line in lines:
        name = os.fsdecode(line if b"\0" in data else line.rstrip(b"\r"))
        if name.strip():
            yield Job(os.path.join(folder, name))  # noqa: PTH118


def _table(path: str, suffix: str) -> Iterator[Job]:
    folder = os.path.dirname(path)  # noqa: PTH120
    rows = {".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines}.get(suffix, _csv)
    for line, row in rows(path):
        yield _job(row, folder, f"{path!r}, line {line}")


def _job(row: Mapping[str, Any] | str, folder: str, place: str) -> Job:
    """The job of a row; a text instead says what is wrong with it."""
    name = ""
    try:
        if isinstance(row, str):
            raise ValueError(row)
        name = next((str(row[column]) for column in FILE if row.get(column) not in (None, "")), "")
        if not name or "\0" in name:
            raise ValueError("there is no file in this row")
        start, end = segment_times(row.get("start"), row.get("end"))
    except ValueError as error:
        source = os.path.join(folder, name) if name else place  # noqa: PTH118
        return Job(source, failure=Failure(source, "input", f"{place}: {error}"))
    return Job(os.path.join(folder, name), start, end)  # noqa: PTH118


def _csv(path: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    with _explained(path), _opened(path) as file:
        head = file.readline()
        delimiter = max(",;\t", key=head.count)
        columns = [name.strip().lower() for name in next(csv.reader([head], delimiter=delimiter), [])]
        _check_columns(columns, path)
        reader = csv.reader(file, delimiter=delimiter)
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield reader.line_num + 1, f"{error}; expected CSV"
                continue
            if values is None:
                return
            if values:
                yield reader.line_num + 1, dict(zip(columns, values, strict=False))


def _json_lines(path: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    with _explained(path), _opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield number, row if isinstance(row, dict) else "no JSON object; expected one on each line"


def _parquet(path: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{path!r} is a Parquet table, which needs pyarrow: pip install 'emotrace[analysis]'; or give a "
            "CSV table"
        ) from error
    try:
        with parquet.ParquetFile(path) as table:
            names = list(table.schema_arrow.names)
            _check_columns([name.lower() for name in names], path)
            wanted = [name for name in names if name.lower() in (*FILE, "start", "end")]
            number = 0
            for part in table.iter_batches(columns=wanted):
                for row in part.to_pylist():
                    number += 1
                    yield number, {name.lower(): value for name, value in row.items()}
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path!r} cannot be read: {reason}; expected a Parquet table") from error


def _check_columns(columns: Iterable[str], path: str) -> None:
    there = list(columns)
    if not set(there) & set(FILE):
        found = ", ".join(column for column in there if column)[:200] or "none"
        raise InputError(
            f"{path!r} has no column 'file' (found: {found}); expected file, and perhaps start and end"
        )


def _opened(path: str) -> TextIO:
    """A text file in UTF-8, or in the encoding of Chinese Excel."""
    for encoding in ("utf-8-sig", "gb18030"):
        with open(path, encoding=encoding, newline="") as file:  # noqa: PTH123
            try:
                while file.read(1 << 20):
                    pass
            except UnicodeDecodeError:
                continue
        return Path(path).open(encoding=encoding, newline="")
    raise InputError(f"{path!r} is no text in UTF-8; expected a list of recordings")


class _explained:  # noqa: N801 - reads like a function
    """Turns an OSError into a sentence about a list."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            reason = (error.strerror or "unknown reason").lower()
            raise InputError(f"{self._path!r} cannot be read: {reason}; expected a list") from error
