"""A drop folder: what is put into it is recognised once it is complete, each file once, across restarts."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from emotrace.batch.engine import Engine
from emotrace.batch.entries import TRIES, Entry, entry_of, failed, of_input
from emotrace.batch.jobs import Job, Outcome, file_state
from emotrace.batch.listing import in_folder
from emotrace.batch.log import FOLDER, STAGE_FOLDER, Log
from emotrace.batch.options import ENOUGH, BatchOptions
from emotrace.batch.runner import identity_of
from emotrace.batch.sinks import JSON_LINES_FILE, line_of
from emotrace.batch.staging import Stage
from emotrace.errors import InputError
from emotrace.outputs.records import dumps
from emotrace.outputs.writing import output_errors, replacing
from emotrace.results import Failure

RESULTS_FOLDER = "results"

ROUND = 64
"""Files that are taken at a time, so that what comes meanwhile does not wait for ever."""

LONGEST_NAME = 240

_MAYBE = frozenset({"bug", "crash"})  # may be the file's fault after all: they are its record after TRIES

_REST = 10.0  # a folder so large that looking takes long is looked at less often

State = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Watching:
    """How a folder is watched.

    Attributes:
        folder: the drop folder.
        settle_seconds: a file is complete if it has not changed for so long.
        interval_seconds: from one look to the next.
        once: end when nothing is left that is or may become complete.
    """

    folder: str
    settle_seconds: float = 2.0
    interval_seconds: float = 1.0
    once: bool = False


def watch(
    watching: Watching,
    out: str | os.PathLike[str],
    engine: Engine,
    *,
    on_entry: Callable[[Entry], None] | None = None,
    on_unreadable: Callable[[Failure], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> str | None:
    """Recognise what comes into a folder.

    A file that is written anew is recognised anew. The folder's state is that of a batch (see
    :mod:`emotrace.batch.log`); a kill at any moment costs nothing: ``results.jsonl`` and
    ``results/PATH.json`` are made of the log.

    Args:
        watching: which folder, and how.
        out: output folder.
        engine: does the work.
        on_entry: told of each result and each failure.
        on_unreadable: told of each folder and each new file that may not be read, once until it may.
        stop: asked between two looks; true ends it.

    Returns:
        Why it stopped by itself: too many failures in a row that are no fault of the files. None if
        ``stop`` or ``once`` ended it.

    Raises:
        InputError: the folder is not there, or ``out`` holds results of another model.
        OutputError: something cannot be written; what was finished stays.
    """
    place = Path(out)
    if not Path(watching.folder).is_dir():
        raise InputError(f"{watching.folder!r} is no folder; expected the folder to be watched")
    with (
        Log(place, identity_of(engine, BatchOptions(embedding=False))) as log,
        _Outputs(place, watching.folder, log) as outputs,
    ):
        return _Watch(watching, place, engine, log, outputs, on_entry, on_unreadable).run(stop)


class _Watch:
    def __init__(
        self,
        watching: Watching,
        out: Path,
        engine: Engine,
        log: Log,
        outputs: _Outputs,
        on_entry: Callable[[Entry], None] | None,
        on_unreadable: Callable[[Failure], None] | None,
    ) -> None:
        self._watching, self._out, self._engine, self._log = watching, str(out), engine, log
        self._outputs, self._on_entry, self._on_unreadable = outputs, on_entry, on_unreadable
        self._unreadable: set[str] = set()
        self._tries: dict[str, int] = {}
        self._seen: dict[str, tuple[State, float]] = {}
        self._in_a_row = 0

    def run(self, stop: Callable[[], bool]) -> str | None:
        while not stop():
            begin = time.monotonic()
            complete, growing = self._look(begin)
            took = time.monotonic() - begin
            if not complete and not growing and self._watching.once:
                return None
            for start in range(0, len(complete), ROUND):
                if stop() or (start and time.monotonic() - begin > _REST * took):
                    break  # time for another look
                if (stopped := self._recognise(complete[start : start + ROUND])) is not None:
                    return stopped
            else:
                self._wait(max(self._watching.interval_seconds, _REST * took), stop)
        return None

    def _wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))

    def _look(self, now: float) -> tuple[list[Job], int]:
        """Files that are complete and new, oldest first, and how many others may become so."""
        complete: list[tuple[int, Job]] = []
        seen: dict[str, tuple[State, float]] = {}
        unreadable: list[Failure] = []
        for file in in_folder(self._watching.folder, self._out):
            if isinstance(file, Failure):
                if file.code != "no-audio":  # an empty folder is a good one
                    unreadable.append(file)
                continue
            state = file_state(file)
            if state is None:
                continue
            job = Job(file, risky=file in self._log.begun.left)
            logged = self._log.entries.get(job.key)
            if logged is not None and logged.state == state:
                continue
            if not os.access(file, os.R_OK):  # permission may come, and would not change its state
                unreadable.append(Failure(file, "audio", f"{file!r} cannot be read: permission denied"))
                continue
            before, since = self._seen.get(file, (None, now))
            seen[file] = (state, since if before == state else now)
            if now - seen[file][1] >= self._watching.settle_seconds:
                complete.append((state[1], job))
        self._seen = seen
        self._tell_unreadable(unreadable)
        complete.sort(key=lambda item: (not item[1].risky, item[0]))
        return [job for _, job in complete], len(seen) - len(complete)

    def _tell_unreadable(self, places: list[Failure]) -> None:
        for failure in places:
            if self._on_unreadable is not None and failure.source not in self._unreadable:
                self._on_unreadable(failure)
        self._unreadable = {failure.source for failure in places}

    def _is_tried_again(self, outcome: Outcome) -> bool:
        """Whether it failed, and that is no fault of the file as far as can be told."""
        if not isinstance(outcome.result, Failure) or of_input(outcome.result.code):
            return False
        if outcome.result.code not in _MAYBE:
            return True
        file = outcome.job.file
        self._tries[file] = self._tries.get(file, 0) + 1
        return self._tries[file] < TRIES

    def _recognise(self, jobs: list[Job]) -> str | None:
        still = [job for job in jobs if file_state(job.file) == self._seen[job.file][0]]
        with closing(self._engine.run(still, self._log.begun)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome.result, Failure) and self._is_tried_again(outcome):
                    self._in_a_row += 1
                    if self._in_a_row >= ENOUGH:
                        return f"{self._in_a_row} files failed in a row; the last: {outcome.result.reason}"
                    continue  # not the file's fault: it is tried again
                self._in_a_row = 0
                self._tries.pop(outcome.job.file, None)
                self._keep(outcome)
        return None

    def _keep(self, outcome: Outcome) -> None:
        state = file_state(outcome.job.file)
        if state is None or state != outcome.state:
            return  # taken away again, or still growing
        key = outcome.job.key
        entry = entry_of(key, outcome, embedding=False, tries=TRIES)
        self._log.append(key, entry)
        self._outputs.write(entry)
        if self._on_entry is not None:
            self._on_entry(entry)


class _Outputs:
    """``results.jsonl`` and a file for each input, at every start made to be what the log says."""

    def __init__(self, out: Path, folder: str, log: Log) -> None:
        self._out, self._root = out, os.path.abspath(folder)  # noqa: PTH100
        self._lines = out / JSON_LINES_FILE
        self._log = log
        self._file: TextIO

    def __enter__(self) -> _Outputs:
        with (
            Stage(self._out, self._out / FOLDER / STAGE_FOLDER) as stage,
            stage.writing(JSON_LINES_FILE) as file,
        ):
            entry = None
            for entry in self._entries():
                file.write(line_of(entry))
                if not self._path(entry).exists():
                    self._write_own(entry)
            if entry is not None:  # a kill may have come before it took the place of an earlier one
                self._write_own(entry)
        with output_errors(self._lines):
            self._file = self._lines.open("a", encoding="utf-8", errors="backslashreplace", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, entry: Entry) -> None:
        self._write_own(entry)
        with output_errors(self._lines):
            self._file.write(line_of(entry))
            self._file.flush()

    def _entries(self) -> Iterator[Entry]:
        for key in list(self._log.entries):
            yield self._log.read(key)

    def _write_own(self, entry: Entry) -> None:
        path = self._path(entry)
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            text = dumps(_own(entry), indent=2) + "\n"
            temporary.write_bytes(text.encode("utf-8", "backslashreplace"))

    def _path(self, entry: Entry) -> Path:
        """Below ``results`` as the file is below the drop folder."""
        relative = os.path.relpath(os.path.abspath(entry["file"]), self._root)  # noqa: PTH100
        parts = [part for part in Path(relative).parts if part != os.pardir]
        name = parts[-1]
        if len(os.fsencode(name)) > LONGEST_NAME:
            digest = hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
            name = os.fsencode(name)[: LONGEST_NAME - 20].decode("utf-8", "ignore") + f"_{digest}"
        folders = (_ENDING.sub(r"\1_", part) for part in parts[:-1])
        return self._out.joinpath(RESULTS_FOLDER, *folders, f"{name}.json")


_ENDING = re.compile(r"(\.json_*)$")  # that of results: a folder must not have the name of one


def _own(entry: Entry) -> dict[str, Any]:
    return {"file": entry["file"], **entry["record"]} if failed(entry) else entry["record"]
