"""The journal of a sorted root: what was to be moved or copied, on disk before the first of it happens.

One JSON object per line. A run is ``{"run", "root", "time"}``, then ``{"move": [from, to]}`` or
``{"copy": [from, to]}`` for each folder, then ``{"end": run}``; it is taken back by ``{"undo": run}``, at
whose end stands ``{"undone": run}``. What of a run was done is seen from the folders themselves, so that a
run may be cut off anywhere.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from emotrace.errors import InputError
from emotrace.outputs.writing import output_error

JOURNAL_FILE = ".emotrace-filter.jsonl"

_PLACE = re.compile(r"(?:(?:normal|low_quality)/)?outputs_[^/\\\0]*")


class Step(NamedTuple):
    """One folder's way.

    Attributes:
        kind: ``"move"`` or ``"copy"``.
        source: a name in the root, or ``normal/NAME`` or ``low_quality/NAME``.
        target: ``normal/NAME`` or ``low_quality/NAME``.
    """

    kind: str
    source: str
    target: str


@dataclass
class Run:
    """One run of the filter.

    Attributes:
        name: of it.
        root: the root, or ``"."`` if the journal lies in it.
        steps: in order.
        ended: it was not cut off.
        undoing: taking it back has begun.
    """

    name: str
    root: str
    steps: list[Step] = field(default_factory=list)
    ended: bool = False
    undoing: bool = False


class Journal:
    """The journal in a folder.

    Args:
        folder: where ``normal`` and ``low_quality`` are.

    Raises:
        InputError: it is damaged.

    Attributes:
        runs: those that were not taken back, oldest first.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_FILE
        self.runs: list[Run] = []
        self._torn: int | None = None
        if os.path.lexists(self.path):
            self._load()

    def begin(self, root: str, steps: Iterable[Step]) -> Run:
        """Write down what is going to happen; a run that was cut off goes on.

        Raises:
            OutputError: it cannot be written; nothing may happen then.
        """
        steps = list(steps)
        lines: list[dict[str, Any]] = [{step.kind: [step.source, step.target]} for step in steps]
        if not self.runs or self.runs[-1].ended:
            self.runs.append(Run(secrets.token_hex(6), root))
            time = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
            lines.insert(0, {"run": self.runs[-1].name, "root": root, "time": time})
        self._append(lines)
        self.runs[-1].steps += steps
        return self.runs[-1]

    def end(self, run: Run) -> None:
        """All of a run was tried."""
        self._append([{"end": run.name}])
        run.ended = True

    def undo(self, run: Run) -> None:
        """Taking a run back begins."""
        if not run.undoing:
            self._append([{"undo": run.name}])
            run.undoing = True

    def undone(self, run: Run) -> None:
        """A run was taken back; with the last one the journal goes."""
        self.runs.remove(run)
        try:
            if self.runs:
                self._append([{"undone": run.name}])
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise output_error(self.path, error) from error

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            if self._torn is not None:
                os.truncate(self.path, self._torn)
                self._torn = None
            with os.fdopen(os.open(self.path, flags, 0o666), "ab") as file:
                file.write(text.encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise output_error(self.path, error) from error

    def _load(self) -> None:
        if self.path.is_symlink() or not self.path.is_file():
            raise InputError(f"{str(self.path)!r} is no regular file; move it away")
        try:
            data = self.path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):  # cut off while it was written; nothing of that line has happened
                self._torn = len(whole)  # it goes before the next line comes: a dry run changes nothing
            for line in whole.splitlines():
                self._take(json.loads(line))
        except OSError as error:
            raise output_error(self.path, error) from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"the journal {str(self.path)!r} is damaged; move it away to sort without it (what it "
                "holds cannot be taken back by --undo then)"
            ) from error

    def _take(self, line: dict[str, Any]) -> None:
        if "run" in line:
            self.runs.append(Run(str(line["run"]), str(line["root"])))
        elif "end" in line:
            self._named(line["end"]).ended = True
        elif "undo" in line:
            self._named(line["undo"]).undoing = True
        elif "undone" in line:
            self.runs.remove(self._named(line["undone"]))
        else:
            [(kind, (source, target))] = line.items()
            if kind not in ("move", "copy") or not _PLACE.fullmatch(source) or "/" not in target:
                raise ValueError(line)
            if not _PLACE.fullmatch(target):  # else a foreign journal could name any folder
                raise ValueError(line)
            self.runs[-1].steps.append(Step(kind, source, target))

    def _named(self, name: str) -> Run:
        return {run.name: run for run in self.runs}[name]
