"""How a recognition is answered: in a form of :mod:`emotrace.outputs.formats`, as a picture, or zipped."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Response

from emotrace.outputs import Granularity, check_picture, save_picture, write_folder
from emotrace.outputs.envelope import Envelope
from emotrace.outputs.formats import FORMATS
from emotrace.outputs.lettering import Language
from emotrace.results import Array, Recognition
from emotrace.server.problems import json_bytes

PICTURE, FOLDER = "png", "zip"

NAMES: tuple[str, ...] = (*FORMATS, PICTURE, FOLDER)
"""What ``format`` may be; JSON is the default."""

MEDIA_TYPES: Mapping[str, str] = {
    **{name: form.media_type for name, form in FORMATS.items()},
    PICTURE: "image/png",
    FOLDER: "application/zip",
}

KEPT_NAMES: tuple[str, ...] = (*FORMATS, FOLDER)
"""The same of what is kept; its picture has a route of its own."""

WITH_LANGUAGE = frozenset({"webvtt", PICTURE})
"""Those that have words of a language in them."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A recognition as it is answered.

    Attributes:
        content: of the body.
        media_type: of it.
        file: how a client may call it; None is no file.
    """

    content: bytes
    media_type: str
    file: str | None = None

    def response(self) -> Response:
        """The answer."""
        named = {} if self.file is None else {"Content-Disposition": f'attachment; filename="{self.file}"'}
        return Response(self.content, 200, named, self.media_type)


def known(name: str, names: tuple[str, ...] = NAMES) -> str:
    """The name of a form.

    Raises:
        ValueError: there is none.
    """
    if name not in names:
        raise ValueError(f"expected one of {', '.join(names)}")
    return name


def check(name: str) -> None:
    """Find out before the work whether a form can be made.

    Raises:
        MissingExtraError: a package is missing.
    """
    if name == PICTURE:
        check_picture("recognition.png")
    elif name in FORMATS:
        FORMATS[name].check()


def rendered_record(name: str, record: Mapping[str, Any], language: Language = "en") -> Rendered:
    """A record in one of the forms that need nothing else.

    Args:
        name: a key of :data:`~emotrace.outputs.formats.FORMATS`.
        record: see :func:`emotrace.outputs.recognition_record`.
        language: of captions.

    >>> rendered_record("json", {"emotion": "sad"}).content
    b'{"emotion": "sad"}'
    """
    if name == "json":
        return Rendered(json_bytes(record), "application/json")
    form = FORMATS[name]
    return Rendered(form.render(record, language=language), form.media_type, f"recognition{form.suffix}")


def picture(result: Recognition, sound: Iterable[Array] | Envelope, language: Language = "en") -> Rendered:
    """The timeline of a recognition.

    Args:
        result: the recognition.
        sound: its blocks, float32 (n,) each, 16 kHz, or its outline.
        language: of its words.
    """
    with tempfile.TemporaryDirectory(prefix="emotrace-") as folder:
        path = Path(folder) / "timeline.png"
        save_picture(sound, result, path, language=language)
        return Rendered(path.read_bytes(), MEDIA_TYPES[PICTURE], "timeline.png")


def folder(
    result: Recognition, blocks: Iterable[Array], granularity: Granularity, embedding: bool
) -> Rendered:
    """What :func:`emotrace.outputs.write_folder` makes of a recognition, as a ZIP file."""
    with tempfile.TemporaryDirectory(prefix="emotrace-") as parent:
        made = write_folder(parent, result, blocks, granularity=granularity, embedding=embedding)
        return zipped(made)


def zipped(made: Path) -> Rendered:
    """The files of a result folder as a ZIP file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(made.iterdir()):
            if path.is_file():
                archive.write(path, f"{made.name}/{path.name}")
    return Rendered(content.getvalue(), MEDIA_TYPES[FOLDER], f"{made.name}.zip")


def rendered(
    name: str,
    result: Recognition,
    record: Mapping[str, Any],
    blocks: Callable[[], Iterable[Array]],
    *,
    granularity: Granularity = "utterance",
    embedding: bool = False,
    language: Language = "en",
) -> Rendered:
    """A recognition in any form.

    Args:
        name: one of :data:`NAMES`.
        result: the recognition.
        record: the same for JSON.
        blocks: gives its sound, where that is needed.
        granularity: what was asked for.
        embedding: put it into the folder, too.
        language: of captions and pictures.

    Raises:
        EmotraceError: the sound cannot be read again, or a package is missing.
    """
    if name == PICTURE:
        return picture(result, blocks(), language)
    if name == FOLDER:
        return folder(result, blocks(), granularity, embedding)
    return rendered_record(name, record, language)
