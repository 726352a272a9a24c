"""One row per input, as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from emotrace.labels import LABELS
from emotrace.outputs.records import failure_record, recognition_record
from emotrace.outputs.writing import NewFile, output_errors
from emotrace.results import Failure, Recognition

COLUMNS: tuple[str, ...] = (
    *("source", "status", "emotion", "confidence", *LABELS),
    *("duration_seconds", "speech_seconds", "model", "warnings", "error_code", "reason"),
    *("verdict", "reasons"),
)
"""The header; ``status`` is ``ok`` or ``failed``, ``reasons`` are codes, and what does not apply is empty."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def row(item: Recognition | Failure | Mapping[str, Any]) -> dict[str, str]:
    """The cells of one input.

    Args:
        item: a result, a failure, or its record (see :func:`~emotrace.outputs.recognition_record`).

    >>> cells = row(Failure("=cmd.wav", "audio", "'=cmd.wav' is empty"))
    >>> cells["source"], cells["status"]
    ("'=cmd.wav", 'failed')
    """
    if isinstance(item, Failure):
        item = failure_record(item)
    elif isinstance(item, Recognition):
        item = recognition_record(item)
    if "error" in item:
        return {
            "source": safe(item["source"]),
            "status": "failed",
            "error_code": item["error"]["code"],
            "reason": safe(item["error"]["reason"]),
        }
    verdict = item.get("verdict")
    return {
        "source": safe(item["source"]),
        "status": "ok",
        "emotion": item["emotion"],
        "confidence": f"{item['confidence']:.6f}",
        **{label: f"{item['scores'][label]:.6f}" for label in LABELS},
        "duration_seconds": _seconds(item["duration_seconds"]),
        "speech_seconds": _seconds(item["speech_seconds"]),
        "model": item["model"]["name"],
        "warnings": safe("; ".join(item["warnings"])),
        "verdict": verdict["decision"] if verdict else "",
        "reasons": " ".join(reason["code"] for reason in verdict["reasons"]) if verdict else "",
    }


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def safe(text: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet would take it for a formula.

    >>> safe("talk.wav"), safe("=HYPERLINK()")
    ('talk.wav', "'=HYPERLINK()")
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


class CsvTable:
    """Rows of CSV: comma, header, one line feed after each row.

    Args:
        file: open for text with ``newline=""``.
        name: of the file, for messages; None lets an OSError pass as it is.

    Raises:
        OutputError: a row cannot be written.

    Attributes:
        whole: no row is missing.

    >>> import sys
    >>> CsvTable(sys.stdout).write(Failure("a.wav", "audio", "it is empty"))  # doctest: +ELLIPSIS
    source,status,emotion,confidence,angry,...,error_code,reason,verdict,reasons
    a.wav,failed,,,,,,,,,,,,,,,,audio,it is empty,,
    """

    def __init__(self, file: TextIO, name: str | None = None) -> None:
        self._errors: Callable[[], AbstractContextManager[None]]
        self._errors = nullcontext if name is None else partial(output_errors, name)
        self._writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        self._quoter = csv.DictWriter(file, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self.whole = True
        with self._errors():
            self._writer.writeheader()

    def write(self, item: Recognition | Failure | Mapping[str, Any]) -> None:
        """Write the row of one input; see :func:`row`."""
        cells = row(item)
        returns = any("\r" in cell for cell in cells.values())  # which are not quoted by themselves
        whole, self.whole = self.whole, False
        with self._errors():
            (self._quoter if returns else self._writer).writerow(cells)
        self.whole = whole


@contextmanager
def csv_file(path: Path) -> Iterator[CsvTable]:
    """A table in a file (UTF-8) that takes the name ``path`` at the end.

    It is not there after an exception, or if a row could not be written.

    Raises:
        OutputError: it cannot be written.
    """
    new = NewFile(path)
    with ExitStack() as stack:
        stack.callback(new.discard)  # finds nothing to remove once it was published
        with output_errors(path):
            file = new.temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        stack.callback(_close, file)
        table = CsvTable(file, str(path))
        yield table
        if table.whole:
            with output_errors(path):
                file.close()
                new.publish()


def _close(file: TextIO) -> None:
    with suppress(OSError):
        file.close()
