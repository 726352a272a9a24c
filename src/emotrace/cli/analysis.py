"""The work of ``emotrace analyze``: from its options over the library to the writers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from emotrace.audio import describe, name_of, stream
from emotrace.cli import exit_codes
from emotrace.cli.groups import flat
from emotrace.cli.inputs import STDIN, Recordings, expand
from emotrace.cli.messages import bug, failure_sentence, hush, tell
from emotrace.cli.printers import Printer, printer_of
from emotrace.cli.progress import Watch
from emotrace.cli.request import STDOUT, Request
from emotrace.errors import (
    DeviceError,
    EmotraceError,
    MissingExtraError,
    ModelError,
    OptionError,
    OutputError,
)
from emotrace.outputs import (
    CsvTable,
    check_folder,
    check_picture,
    csv_file,
    save_picture,
    write_folder,
)
from emotrace.outputs.formats import find_format
from emotrace.outputs.writing import check_file
from emotrace.pipeline import analyse, analyse_many
from emotrace.recognition import Recognizer
from emotrace.results import Array, Failure, Recognition, SpeakerReference

_FATAL = (ModelError, DeviceError, OptionError, MissingExtraError)
"""Errors that every other input would meet, too."""


def make_recognizer(request: Request) -> Recognizer:
    """The recognizer that a request asks for."""
    return Recognizer(**flat(request.backend), threads=request.threads)


class Analysis:
    """One run over all inputs.

    Args:
        request: what is asked for.

    Raises:
        OptionError: an option is out of range.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.options = request.options()
        self.reading = self.options.recognition
        self.forms = [find_format(name) for name in request.formats]
        self.items = expand(request.inputs)
        twice = request.out is not None or request.plot is not None
        self.recordings = Recordings(twice, self.reading.limits.max_bytes)
        self.watch = Watch(len(self.items))
        self.succeeded = 0
        self.failures: list[str] = []

    def run(self) -> int:
        """Do the work.

        Returns:
            The exit code.

        Raises:
            EmotraceError: nothing can be done: the model, an option or a place to write to is not usable.
        """
        self._check_places()
        with ExitStack() as stack:
            stack.callback(self.recordings.close)
            stack.callback(self.watch.close)
            printer = printer_of(self.request, several=len(self.items) > 1)
            table = self._table(stack)
            for name, result in self._results():
                when, folder = datetime.now(), None
                if isinstance(result, Failure):
                    self._failed(result)
                else:
                    self._tell_model(result)
                    folder = self._save(name, result, when)
                with self.watch.hidden():
                    self._print(printer, result, folder, when)
                if table is not None and table.whole:
                    self._write_row(table, result)
        missing = len(self.items) - self.succeeded
        if missing and len(self.items) > 1:
            tell(f"{missing} of {len(self.items)} inputs gave no result")
        return exit_codes.of_run(self.succeeded, self.failures)

    # -- before the work ------------------------------------------------------------------------------

    def _check_places(self) -> None:
        """Find out now, not after hours, what cannot be written."""
        if self.request.plot is not None:
            if len(self.items) != 1:
                raise OptionError(f"--plot draws one recording; {len(self.items)} inputs were given")
            check_picture(self.request.plot)
            hush("matplotlib")
            check_file(self.request.plot)
        if self.request.out is not None:
            check_folder(self.request.out)
        for form in self.forms:
            form.check()
        if self.forms and self.request.out is None and len(self.items) != 1:
            raise OptionError(
                f"--format writes one result to standard output; {len(self.items)} inputs came: add --out"
            )

    def _table(self, stack: ExitStack) -> CsvTable | None:
        path = self.request.csv
        if path is None:
            return None
        return CsvTable(sys.stdout) if path == STDOUT else stack.enter_context(csv_file(path))

    # -- recognition ----------------------------------------------------------------------------------

    def _results(self) -> Iterator[tuple[str, Recognition | Failure]]:
        if all(isinstance(item, Failure) for item in self.items):
            yield from ((item.source, item) for item in self.items if isinstance(item, Failure))
            return
        recognizer = make_recognizer(self.request)
        reference = self._reference(recognizer)
        several = len(self.items) > 1 and STDIN not in self.items and recognizer.workers > 1
        together = self.request.one_speaker or several
        recognised = self._together(recognizer, reference) if together else None
        for item in self.items:
            if isinstance(item, Failure):
                yield item.source, item
            elif recognised is not None:
                self.watch.begin(item, None)
                yield item, next(recognised)
            else:
                self.watch.begin(item, self._seconds(item))
                yield item, self._recognise(recognizer, item, reference)

    def _reference(self, recognizer: Recognizer) -> SpeakerReference | None:
        if not self.request.references:
            return None
        return recognizer.reference(
            self.request.references, channel=self.reading.channel, limits=self.reading.limits
        )

    def _recognise(
        self, recognizer: Recognizer, name: str, reference: SpeakerReference | None
    ) -> Recognition | Failure:
        try:
            return analyse(
                recognizer,
                self.recordings.open(name),
                self.options,
                reference=reference,
                on_progress=self.watch.update if self.watch.enabled else None,
            )
        except _FATAL:
            raise
        except EmotraceError as problem:
            return Failure(_source(name), problem.code, str(problem))
        except Exception as problem:  # a bug must not stop the other inputs
            return bug(_source(name), problem)

    def _together(
        self, recognizer: Recognizer, reference: SpeakerReference | None
    ) -> Iterator[Recognition | Failure]:
        """Results of all inputs, of which the library recognises several at the same time."""
        for result in analyse_many(
            recognizer,
            (self.recordings.open(item) for item in self.items if isinstance(item, str)),
            self.options,
            one_speaker=self.request.one_speaker,
            reference=reference,
            on_bug=lambda source, problem: bug(name_of(source), problem),
        ):
            if isinstance(result, Failure) and exit_codes.of_error(result.code) == exit_codes.MODEL:
                raise ModelError(result.reason)
            yield result

    def _seconds(self, name: str) -> float | None:
        """Length of an input as its header says, if progress wants to know."""
        if not self.watch.enabled or not Path(name).is_file():
            return None
        try:
            return describe(name).duration
        except EmotraceError:
            return None

    # -- results --------------------------------------------------------------------------------------

    def _failed(self, failure: Failure) -> None:
        self.failures.append(failure.code)
        with self.watch.hidden():
            tell(failure_sentence(failure))

    def _tell_model(self, result: Recognition) -> None:
        """Say once which model was chosen; JSON and the table of one recording say it anyway."""
        if (
            self.request.backend.model == "auto"
            and len(self.items) > 1
            and not (self.request.json or self.succeeded)
        ):
            with self.watch.hidden():
                tell(f"model {result.model.name}, the best that is installed")

    def _save(self, name: str, result: Recognition, when: datetime) -> Path | None:
        """Write the folder and the picture of a result; what cannot be written is told and counted."""
        self.succeeded += 1
        request, folder = self.request, None
        try:
            if request.out is not None:
                folder = write_folder(
                    request.out,
                    result,
                    self._blocks(name),
                    granularity=request.granularity,
                    when=when,
                    embedding=request.embedding,
                    forms=self.forms,
                    language=request.language.value,
                )
            if request.plot is not None:
                save_picture(self._blocks(name), result, request.plot, language=request.language.value)
        except EmotraceError as problem:
            self._failed(Failure(result.source, problem.code, str(problem)))
        return folder

    def _write_row(self, table: CsvTable, result: Recognition | Failure) -> None:
        """Write the row of an input; a table that cannot be written does not stop the other results."""
        try:
            table.write(result)
        except OutputError as problem:
            self._failed(Failure(str(self.request.csv), problem.code, str(problem)))

    def _blocks(self, name: str) -> Iterator[Array]:
        source = self.recordings.open(name)
        return stream(source, channel=self.reading.channel, limits=self.reading.limits)

    def _print(
        self, printer: Printer | None, result: Recognition | Failure, folder: Path | None, when: datetime
    ) -> None:
        if folder is not None and not self.request.json:
            tell(f"written to {str(folder)!r}")
        if printer is not None:
            printer.show(result, folder, when)
        sys.stdout.flush()


def _source(name: str) -> str:
    return "<stdin>" if name == "-" else name
