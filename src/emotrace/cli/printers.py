"""Where results go on standard output: JSON, tables, or nothing."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Protocol

import typer

from emotrace.cli.request import STDOUT, Request
from emotrace.outputs import failure_record, frame_records, recognition_record, write_json
from emotrace.results import Failure, Recognition


class Printer(Protocol):
    """Takes the results one by one."""

    def show(self, result: Recognition | Failure, folder: Path | None, when: datetime) -> None:
        """Print a result; ``folder`` is where it was written to, ``when`` its time."""


def printer_of(request: Request, several: bool) -> Printer | None:
    """What a request wants to see; None if CSV has standard output for itself."""
    if request.csv == STDOUT:
        return None
    if request.formats and request.out is None:
        return FormatPrinter(request)
    return JsonPrinter(request) if request.json else TablePrinter(request, several)


class JsonPrinter:
    """One JSON object per input, each on one line, failures too; always UTF-8."""

    def __init__(self, request: Request) -> None:
        self._request = request
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")

    def show(self, result: Recognition | Failure, folder: Path | None, when: datetime) -> None:
        """See :class:`Printer`."""
        if isinstance(result, Failure):
            write_json(sys.stdout, failure_record(result))
            return
        request = self._request
        record = recognition_record(
            result, granularity=request.granularity, when=when, embedding=request.embedding
        )
        if folder is not None:
            record["folder"] = str(folder)
        track = (result.smoothed or result.track) if request.granularity == "frame" else None
        write_json(sys.stdout, record, None if track is None else frame_records(track))


class FormatPrinter:
    """One result in the form that was asked for, as bytes; a failure is told on standard error only."""

    def __init__(self, request: Request) -> None:
        from emotrace.outputs.formats import find_format

        self._request = request
        self._form = find_format(request.formats[0])

    def show(self, result: Recognition | Failure, folder: Path | None, when: datetime) -> None:
        """See :class:`Printer`."""
        if isinstance(result, Failure):
            return
        granularity, language = self._request.granularity, self._request.language.value
        data = self._form.render(result, granularity=granularity, when=when, language=language)
        typer.echo(data, nl=False)


class TablePrinter:
    """Tables for people; failures are told on standard error only."""

    def __init__(self, request: Request, several: bool) -> None:
        from emotrace.cli.console import StdoutConsole
        from emotrace.cli.tables import Tables

        self._tables = Tables(StdoutConsole(), request.language, request.granularity, several)

    def show(self, result: Recognition | Failure, folder: Path | None, when: datetime) -> None:
        """See :class:`Printer`."""
        if isinstance(result, Recognition):
            self._tables.show(result)
