"""Lists of recordings and segments: text, CSV, JSON Lines and Parquet, read row by row.

A text list has one path on each line, or paths between null bytes (``find -print0``). A table has a column
``file`` (or ``path``, ``source``, ``audio``, ``filename``, ``audio_filepath``, 文件), and where only a part
is meant ``start`` and ``end`` in seconds; other columns go into the outputs. Relative paths start from the
folder of the list. A row that is wrong is one failed input; the others are done.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from emotrace.batch import remote, remote_listing, urls
from emotrace.batch.jobs import Job, segment_times
from emotrace.batch.listing import SUFFIXES, meant_by
from emotrace.errors import InputError, MissingExtraError, NoAudioError, ObjectStoreError
from emotrace.outputs.writing import output_errors
from emotrace.results import Failure

FILE = ("file", "path", "source", "audio", "filename", "audio_filepath", "文件")
"""Names of the column that says which recording is meant."""

LISTS = frozenset({".txt", ".lst", ".list"})
TABLES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})

LARGEST_LIST = 1 << 30
"""Bytes of the largest list or table that is fetched from an object store."""


def jobs_of(
    inputs: Sequence[str], leave_out: str | None = None, stdin: IO[bytes] | None = None
) -> Iterator[Job]:
    """The jobs that the arguments of a batch mean, in order.

    Args:
        inputs: recordings, folders, patterns, lists or tables (by their endings), all of them also in object
            stores (see :mod:`.remote`); ``-`` is ``stdin``.
        leave_out: a folder that is not entered.
        stdin: a text list.

    Raises:
        InputError: a list or table cannot be read at all.
        MissingExtraError: a Parquet table came without the extra ``analysis``, an object without ``cloud``.
    """
    for given in inputs:
        suffix = Path(given).suffix.lower()
        if given == "-":
            with _kept(stdin or io.BytesIO()) as kept:
                yield from _listed(kept, "")
        elif urls.is_url(given) and not os.path.lexists(given):
            yield from _remote(given, suffix)
        elif suffix in LISTS | TABLES and os.path.isfile(given):  # noqa: PTH113
            yield from (_text_list if suffix in LISTS else _table)(given, suffix)
        else:
            for item in meant_by(given, leave_out):
                yield Job(item) if isinstance(item, str) else Job(item.source, failure=item)


def _remote(url: str, suffix: str) -> Iterator[Job]:
    """What a URL means: objects, or a list or table in a store."""
    found = False
    try:
        urls.check_url(url)
        if suffix in LISTS | TABLES:
            yield from _remote_list(url, suffix)
            return
        for name, state in remote_listing.objects(url, lambda name: Path(name).suffix.lower() in SUFFIXES):
            found = True
            yield Job(name, state=state)
        if not found:
            raise NoAudioError(f"{url!r} holds no audio file; expected at least one")
    except (InputError, ObjectStoreError) as error:
        shown = urls.without_secrets(url)
        yield Job(shown, failure=Failure(shown, error.code, str(error)))


def _remote_list(url: str, suffix: str) -> Iterator[Job]:
    data = remote.small(url, LARGEST_LIST)
    folder = url.rpartition("/")[0]
    if suffix in LISTS:
        yield from _listed(io.BytesIO(data), folder)
        return
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / f"list{suffix}"
        with output_errors(place):
            copy.write_bytes(data)
        yield from _table(str(copy), suffix, folder, url)


def _placed(folder: str, name: str) -> str:
    """A name in a list, as a path or URL of its own."""
    if urls.is_url(name):
        return name
    return f"{folder}/{name}" if urls.is_remote(folder) else os.path.join(folder, name)  # noqa: PTH118


def _named(folder: str, name: str, start: float = 0.0, end: float | None = None, **more: Any) -> Job:
    """The job of a name in a list."""
    place = _placed(folder, name)
    if not urls.is_url(place):
        return Job(place, start, end, **more)
    try:
        urls.check_url(place)
    except InputError as error:
        shown = urls.without_secrets(place)
        return Job(shown, start, end, Failure(shown, error.code, str(error)), **more)
    return Job(place, start, end, **more)


def _text_list(path: str, _suffix: str) -> Iterator[Job]:
    with _explained(path), open(path, "rb") as file:  # noqa: PTH123
        yield from _listed(file, os.path.dirname(path))  # noqa: PTH120


def _kept(source: IO[bytes]) -> IO[bytes]:
    """A copy that can be read twice, on disk."""
    with output_errors(tempfile.gettempdir()):
        kept = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(source, kept)
        kept.seek(0)
    return kept


def _listed(file: IO[bytes], folder: str) -> Iterator[Job]:
    """The jobs of a text list, which may have millions of lines."""
    nulls = any(b"\0" in block for block in _blocks(file))
    file.seek(0)
    for number, line in enumerate(_until_null(file) if nulls else file):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        name = os.fsdecode(line if nulls else line.removesuffix(b"\n").rstrip(b"\r"))
        if name.strip():
            yield _named(folder, name)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(1 << 20), b"")


def _until_null(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in _blocks(file):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    yield rest


def _table(path: str, suffix: str, folder: str | None = None, shown: str | None = None) -> Iterator[Job]:
    folder = os.path.dirname(path) if folder is None else folder  # noqa: PTH120
    rows = {".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines}.get(suffix, _csv)
    for line, row in rows(path):
        yield _job(row, folder, f"{shown or path!r}, line {line}")


def _job(row: Mapping[str, Any] | str, folder: str, place: str) -> Job:
    """The job of a row; a text instead says what is wrong with it."""
    name, extra = "", None
    try:
        if isinstance(row, str):
            raise ValueError(row)
        cells = {str(column).strip().lower(): column for column in row}
        used = next((cells[word] for word in FILE if row.get(cells.get(word, "")) not in (None, "")), None)
        extra = _extra(row, {used, cells.get("start"), cells.get("end")})
        name = "" if used is None else str(row[used])
        if not name or "\0" in name:
            raise ValueError("there is no file in this row")
        start, end = segment_times(row.get(cells.get("start", "")), row.get(cells.get("end", "")))
    except ValueError as error:
        source = urls.without_secrets(_placed(folder, name)) if name else place
        return Job(source, failure=Failure(source, "input", f"{place}: {error}"), extra=extra)
    return _named(folder, name, start, end, extra=extra)


def _plain(value: Any) -> str | int | float | None:
    if isinstance(value, float) and not math.isfinite(value):  # how data frames write nothing
        return None
    return value if isinstance(value, str | int | float) or value is None else str(value)


def _extra(row: Mapping[str, Any], used: set[str | None]) -> Mapping[str, Any] | None:
    """The other columns of a row, as far as they are numbers, words and times."""
    found = {
        str(column).strip(): _plain(value)
        for column, value in row.items()
        if column not in used and str(column).strip() and not isinstance(value, list | dict | bytes)
    }
    return found or None


def _csv(path: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    with _explained(path), _opened(path) as file:
        head = file.readline()
        delimiter = max(",;\t", key=head.count)
        columns = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
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
                cells = zip(columns, values, strict=False)
                yield reader.line_num + 1, {name: value or None for name, value in cells}


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
            _check_columns(names, path)
            wanted = [field.name for field in table.schema_arrow if not pa.types.is_nested(field.type)]
            number = 0
            for part in table.iter_batches(columns=wanted):
                for row in part.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path!r} cannot be read: {reason}; expected a Parquet table") from error


def _check_columns(columns: Iterable[str], path: str) -> None:
    there = list(columns)
    names = [column.strip().lower() for column in there]
    for name in (*FILE, "start", "end"):
        if names.count(name) > 1:
            raise InputError(f"{path!r} has {names.count(name)} columns {name!r}; expected one")
    if not set(names) & set(FILE):
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
