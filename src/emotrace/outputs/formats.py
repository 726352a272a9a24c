"""Every form in which one result can be had, by name: for the command line, batches and the server alike.

>>> sorted(FORMATS)
['audformat', 'csv', 'elan', 'json', 'rttm', 'textgrid', 'webvtt']
>>> FORMATS["webvtt"].media_type, FORMATS["webvtt"].suffix
('text/vtt; charset=utf-8', '.vtt')
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, TypeAlias

from emotrace.errors import MissingExtraError, OptionError
from emotrace.outputs.annotation import Annotation, annotation_of
from emotrace.outputs.elan import elan
from emotrace.outputs.records import Granularity, dumps, frame_records, recognition_record
from emotrace.outputs.rttm import rttm
from emotrace.outputs.table import CsvTable
from emotrace.outputs.textgrid import textgrid
from emotrace.outputs.webvtt import webvtt
from emotrace.results import Recognition

Record: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a result is rendered.

    Attributes:
        language: of captions, ``"en"`` or ``"zh"``.
        media: the sound that ELAN opens with the annotation; None is the recording itself.
    """

    language: str = "en"
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One form of a result.

    Attributes:
        name: by which it is asked for.
        media_type: for HTTP.
        suffix: of its files.
        title: what people call it.
        make: bytes of a record (:func:`~emotrace.outputs.recognition_record`), or
        annotate: bytes of an annotation (:func:`~emotrace.outputs.annotation.annotation_of`).
        package: what must be importable for it; None is nothing.
    """

    name: str
    media_type: str
    suffix: str
    title: str
    make: Callable[[Record, Rendering], bytes] | None = None
    annotate: Callable[[Annotation, Rendering], bytes] | None = None
    package: str | None = None

    def check(self) -> None:
        """Find out before the work whether it can be written.

        Raises:
            MissingExtraError: a package is missing.
        """
        if self.package is not None and find_spec(self.package) is None:
            raise MissingExtraError(
                f"the format {self.name} needs {self.package}: pip install 'emotrace[formats]'; or ask for "
                "another format"
            )

    def render(
        self,
        result: Recognition | Record,
        *,
        granularity: Granularity = "utterance",
        when: datetime | None = None,
        language: str = "en",
        media: str | None = None,
    ) -> bytes:
        """A result in this form.

        Args:
            result: a recognition, or its record. A record is taken as it is: the next two have no effect.
            granularity: what was asked for; ``"frame"`` puts the frames into JSON.
            when: local time of the recognition; None is now.
            language: see :class:`Rendering`; so is ``media``.
            media: see there.

        Raises:
            MissingExtraError: a package is missing.
        """
        self.check()
        record = _record(result, granularity, when) if isinstance(result, Recognition) else result
        how = Rendering(language, media)
        if self.annotate is not None:
            return self.annotate(annotation_of(record), how)
        assert self.make is not None
        return self.make(record, how)


def find_format(name: str) -> Format:
    """The format of a name.

    Raises:
        OptionError: there is none.
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise OptionError(f"format is {name!r}; expected one of {', '.join(FORMATS)}") from None


def _record(result: Recognition, granularity: Granularity, when: datetime | None) -> Record:
    record = recognition_record(result, granularity=granularity, when=when)
    track = result.smoothed or result.track
    if granularity == "frame" and track is not None:
        record["frames"] = list(frame_records(track))
    return record


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _json(record: Record, _how: Rendering) -> bytes:
    return _bytes(dumps(record, indent=2) + "\n")


def _csv(record: Record, _how: Rendering) -> bytes:
    file = io.StringIO(newline="")
    CsvTable(file).write(record)
    return _bytes(file.getvalue())


def _audformat(annotation: Annotation, _how: Rendering) -> bytes:
    from emotrace.outputs.audformat_database import Database

    database = Database()
    database.add(annotation)
    return database.zipped()


def _text(write: Callable[[Annotation], str]) -> Callable[[Annotation, Rendering], bytes]:
    return lambda annotation, _how: _bytes(write(annotation))


_PLAIN = "text/plain; charset=utf-8"

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "json": Format("json", "application/json", ".json", "JSON", make=_json),
        "csv": Format("csv", "text/csv; charset=utf-8", ".csv", "CSV", make=_csv),
        "rttm": Format("rttm", _PLAIN, ".rttm", "RTTM", annotate=_text(rttm)),
        "textgrid": Format("textgrid", _PLAIN, ".TextGrid", "Praat TextGrid", annotate=_text(textgrid)),
        "elan": Format(
            *("elan", "application/xml", ".eaf", "ELAN"),
            annotate=lambda annotation, how: elan(annotation, how.media),
        ),
        "webvtt": Format(
            *("webvtt", "text/vtt; charset=utf-8", ".vtt", "WebVTT"),
            annotate=lambda annotation, how: _bytes(webvtt(annotation, how.language)),
        ),
        "audformat": Format(
            *("audformat", "application/zip", ".audformat.zip", "audformat"),
            annotate=_audformat,
            package="audformat",
        ),
    }
)
"""All of them."""

ANNOTATIONS = tuple(name for name, form in FORMATS.items() if form.annotate)
"""Those that are made of an annotation."""
