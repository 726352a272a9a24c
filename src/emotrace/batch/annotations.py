"""Annotations for other tools: RTTM, TextGrid, ELAN and WebVTT for each recording; an audformat database."""

from __future__ import annotations

from dataclasses import replace

from emotrace.batch.entries import Entry, failed
from emotrace.batch.naming import Names, wanted_name
from emotrace.batch.staging import Stage
from emotrace.outputs.annotation import Annotation, annotation_of, joined, one_line
from emotrace.outputs.audformat_database import Database
from emotrace.outputs.formats import Format, Rendering
from emotrace.outputs.writing import output_errors


class AnnotationSink:
    """A folder with a file for each recording that gave a result.

    Segments of one recording that follow one another among the inputs are in one file, at their times. Names
    follow from the inputs alone; one that is taken gets ``_2``, ``_3`` ... behind.

    Args:
        stage: where they are written.
        form: how.

    Raises:
        OutputError: the folder cannot be made.
    """

    def __init__(self, stage: Stage, form: Format) -> None:
        self.name = form.name
        self._form, self._stage = form, stage
        self._folder = stage.path(self.name)
        self._names = Names(stage.path(f"{self.name}-names.sqlite"))
        self._file: str | None = None
        self._wanted = ""
        self._parts: list[Annotation] = []
        with output_errors(stage.out / self.name):
            self._folder.mkdir()

    def write(self, entry: Entry) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.write`; a failure stands in ``summary.json`` only."""
        whole = entry["end"] is None and not entry["start"]
        if whole or entry["file"] != self._file:
            self._flush()
            self._file = entry["file"]
            self._wanted = self._names.take(wanted_name(entry, times=False))
        if not failed(entry):
            self._parts.append(annotation_of(entry["record"], entry["start"]))

    def publish(self) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.publish`."""
        self._flush()
        self._stage.publish(self.name)

    def close(self) -> None:
        """Let go of the names."""
        self._names.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if not parts or self._form.annotate is None:
            return
        annotation = replace(joined(parts), name=one_line(self._wanted))
        name = self._wanted + self._form.suffix
        with output_errors(self._stage.out / self.name / name):
            (self._folder / name).write_bytes(self._form.annotate(annotation, Rendering()))


class AudformatSink:
    """``audformat``: one database of all results."""

    name = "audformat"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._database = Database()

    def write(self, entry: Entry) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.write`; a failure stands in ``summary.json`` only."""
        if not failed(entry):
            self._database.add(annotation_of(entry["record"], entry["start"]))

    def publish(self) -> None:
        """See :meth:`~emotrace.batch.sinks.Sink.publish`."""
        self._database.save(self._stage.path(self.name))
        self._stage.publish(self.name)

    def close(self) -> None:
        """Nothing is open."""
