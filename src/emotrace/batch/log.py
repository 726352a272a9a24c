"""The state of a batch on disk: ``.batch`` in its output folder.

- ``run.json`` says which model and options the results are of; written once, by rename.
- ``log.jsonl`` has one line for each finished input, appended in one write as soon as it is finished; it is
  forced to disk every second. It is the only truth: the tables are written from it, whole, at the end.
- ``lock`` is held while a batch runs; ``begun.json`` says what its threads read (see :mod:`.begun`); ``new``
  holds tables that are not whole yet, ``index.sqlite`` where everything is (see :mod:`.index`).

A kill leaves at worst half of the last line, which the next run cuts off; a power failure costs at most the
last second. A line that cannot be read counts as not written: its input is done again. Of several lines with
one key the last one counts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from emotrace.batch.begun import Begun
from emotrace.batch.entries import Entry, code_of, tried_again
from emotrace.batch.index import Index, Logged
from emotrace.batch.listing import STATE_FOLDER
from emotrace.errors import InputError, OutputError
from emotrace.outputs.writing import output_error, output_errors

FOLDER = STATE_FOLDER
RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
LOCK_FILE = "lock"
STAGE_FOLDER = "new"
INDEX_FILE = "index.sqlite"
BEGUN_FILE = "begun.json"
VERSION = 1

SYNC_SECONDS = 1.0
"""What is finished is on disk after so many seconds, even if the power fails."""


class Log:
    """The log of one output folder; a context that holds its lock.

    Args:
        out: the output folder; made if it is not there.
        identity: what may not change from run to run, as JSON.

    Raises:
        OutputError: it cannot be written, or another batch is writing it.
        InputError: it holds results of another model or of other options.

    Attributes:
        entries: where the entry of each key is.
        begun: what is being read; told by an engine.
        damaged: lines that could not be read.
    """

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        self._folder = out / FOLDER
        self._path = self._folder / LOG_FILE
        self.damaged = 0
        self._synced = time.monotonic()
        with output_errors(out):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._folder / LOCK_FILE, out)
        self._file = -1
        self._reader: IO[bytes] | None = None
        self._closing = ExitStack()
        try:
            if os.path.lexists(self._path) and not self._path.is_file():
                raise InputError(f"{str(self._path)!r} is no regular file; move it away")
            self._identify(out, identity)
            self.begun = Begun(self._folder / BEGUN_FILE)
            self._closing.callback(self.begun.close)
            self.entries = Index(self._folder / INDEX_FILE)
            self._closing.callback(self.entries.close)
            with output_errors(self._path):
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
                self._end = self._load()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Force all to disk and let go of the folder."""
        if self._reader is not None:
            self._reader.close()
        if self._file >= 0:
            with suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1
        self._closing.close()
        self._lock.close()

    def append(self, key: bytes, entry: Entry) -> None:
        """Add an entry.

        Raises:
            OutputError: it cannot be written; the log is as it was before.
        """
        line = json.dumps(entry, allow_nan=False).encode("ascii") + b"\n"
        try:
            _write(self._file, line, self._end)
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise output_error(self._path, error) from error
        self.entries.put(key, _logged(self._end, entry))
        self._end += len(line)

    def read(self, key: bytes) -> Entry:
        """The entry of a key.

        Raises:
            KeyError: there is none.
        """
        if self._reader is None:
            self._reader = self._path.open("rb")
        self._reader.seek(self.entries[key].offset)
        entry: Entry = json.loads(self._reader.readline())
        return entry

    def _identify(self, out: Path, identity: Mapping[str, Any]) -> None:
        path = self._folder / RUN_FILE
        wanted = json.loads(json.dumps({"version": VERSION, **identity}))
        try:
            there = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            with output_errors(path):
                temporary = path.with_suffix(".tmp")
                temporary.write_text(json.dumps(wanted, indent=2) + "\n", "utf-8")
                _sync(temporary)
                temporary.replace(path)
            return
        except (OSError, ValueError) as error:
            raise InputError(
                f"{str(path)!r} is damaged; move {str(out)!r} away, or choose another folder"
            ) from error
        if there != wanted:
            changes = "; ".join(_differences(there, wanted))
            raise InputError(
                f"{str(out)!r} holds results of another model or of other options ({changes}); give the same "
                "ones again, or choose another folder"
            )

    def _load(self) -> int:
        """Index what is there; the length of the whole lines."""
        end = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._index(line, end)
                end += len(line)
        os.ftruncate(self._file, end)
        return end

    def _index(self, line: bytes, offset: int) -> None:
        try:
            entry = json.loads(line)
            key = bytes.fromhex(entry["key"])
            logged = _logged(offset, entry)
        except (ValueError, LookupError, TypeError, RecursionError):
            self.damaged += 1
            return
        self.entries.put(key, logged)


def _logged(offset: int, entry: Mapping[str, Any]) -> Logged:
    return Logged(offset, code_of(entry), _state(entry), tried_again(entry))


def _state(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    state = entry["state"]
    return None if state is None else (int(state[0]), int(state[1]))


def _write(file: int, data: bytes, offset: int) -> None:
    os.lseek(file, offset, os.SEEK_SET)
    while data:
        data = data[os.write(file, data) :]


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _differences(there: object, wanted: object, name: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(wanted, dict):
        for key in {**there, **wanted}:
            yield from _differences(there.get(key), wanted.get(key), f"{name}.{key}".lstrip("."))
    elif there != wanted:
        yield f"{name} was {there!r} and is {wanted!r} now"


def _locked(path: Path, out: Path) -> IO[bytes]:
    """A file that only one process holds, for as long as it is open; a killed process lets go of it."""
    with output_errors(path):
        file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        file.close()
        raise OutputError(
            f"another batch is writing to {str(out)!r}; wait for its end, or choose another folder"
        ) from error
    except OSError as error:
        file.close()
        raise output_error(path, error) from error
    return file
