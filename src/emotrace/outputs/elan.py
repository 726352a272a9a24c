"""ELAN's annotation format (EAF 3.0)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from emotrace.labels import EMOTIONS
from emotrace.outputs.annotation import Annotation, Interval, layers, one_line
from emotrace.outputs.media import media_type

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_LANGUAGES = (
    ("eng", "http://cdb.iso.org/lg/CDB-00138502-001", "English (eng)"),
    ("zho", "http://cdb.iso.org/lg/CDB-00138495-001", "Chinese (zho)"),
)


def elan(annotation: Annotation, media: str | None = None) -> bytes:
    """An ``.eaf`` with tiers ``emotion``, ``confidence`` and ``verdict``.

    The emotions are a controlled vocabulary in English and Chinese. Intervals that overlap are on tiers
    ``emotion 2`` and so on.

    Args:
        annotation: of the recording.
        media: the sound that ELAN opens with it, as a path; None is the recording itself.

    >>> sad = Interval(500, 1750, "sad", 0.75, {})
    >>> b"<ANNOTATION_VALUE>sad</ANNOTATION_VALUE>" in elan(
    ...     Annotation("a.wav", "a", 2000, (sad,), (), (), (), "", "2026-01-02 03:04:05"))
    True
    """
    document = _Document(annotation.when)
    document.sound(annotation.source if media is None else media)
    for number, layer in enumerate(layers(annotation.emotions), 1):
        document.tier("emotion", number, layer, lambda each: each.label)
        document.tier("confidence", number, layer, lambda each: f"{each.confidence:.4f}")
    for number, layer in enumerate(layers(annotation.verdicts), 1):
        document.tier("verdict", number, layer, lambda each: each.label)
    return document.finished()


class _Document:
    """An EAF while it grows; the schema wants the parts in one order."""

    def __init__(self, when: str) -> None:
        space = "http://www.w3.org/2001/XMLSchema-instance"
        ElementTree.register_namespace("xsi", space)
        self._root = Element(
            "ANNOTATION_DOCUMENT",
            {
                "AUTHOR": "emotrace",
                "DATE": when.replace(" ", "T"),
                "FORMAT": "3.0",
                "VERSION": "3.0",
                f"{{{space}}}noNamespaceSchemaLocation": _SCHEMA,
            },
        )
        self._head = SubElement(self._root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
        self._times = SubElement(self._root, "TIME_ORDER")
        self._annotations = 0

    def sound(self, path: str) -> None:
        """Name the recording."""
        name = PurePosixPath(path.replace("\\", "/")).name
        kind = media_type(name) or "audio/x-wav"
        relative = "./" + _url(name)
        SubElement(
            self._head,
            "MEDIA_DESCRIPTOR",
            MEDIA_URL=_absolute(path) or relative,
            MIME_TYPE=kind,
            RELATIVE_MEDIA_URL=relative,
        )

    def tier(
        self, kind: str, number: int, layer: Sequence[Interval], text_of: Callable[[Interval], str]
    ) -> None:
        """Add a tier."""
        name = kind if number == 1 else f"{kind} {number}"
        tier = SubElement(self._root, "TIER", LINGUISTIC_TYPE_REF=kind, TIER_ID=name)
        for each in layer:
            self._annotations += 1
            place = {
                "ANNOTATION_ID": f"a{self._annotations}",
                "TIME_SLOT_REF1": self._time(each.start),
                "TIME_SLOT_REF2": self._time(each.end),
            }
            if kind == "emotion":
                place["CVE_REF"] = f"cve_{each.label}"
            outer = SubElement(tier, "ANNOTATION")
            value = SubElement(SubElement(outer, "ALIGNABLE_ANNOTATION", place), "ANNOTATION_VALUE")
            value.text = one_line(text_of(each))

    def finished(self) -> bytes:
        """The whole document, in UTF-8."""
        last = SubElement(self._head, "PROPERTY", NAME="lastUsedAnnotationId")
        last.text = str(self._annotations)
        self._times[:] = sorted(self._times, key=lambda slot: int(slot.attrib["TIME_VALUE"]))
        for kind in ("emotion", "confidence", "verdict"):
            more = {"CONTROLLED_VOCABULARY_REF": "emotions"} if kind == "emotion" else {}
            SubElement(
                self._root,
                "LINGUISTIC_TYPE",
                {
                    "GRAPHIC_REFERENCES": "false",
                    "LINGUISTIC_TYPE_ID": kind,
                    "TIME_ALIGNABLE": "true",
                    **more,
                },
            )
        for code, definition, label in _LANGUAGES:
            SubElement(self._root, "LANGUAGE", LANG_ID=code, LANG_DEF=definition, LANG_LABEL=label)
        self._vocabulary()
        ElementTree.indent(self._root, "    ")
        return bytes(ElementTree.tostring(self._root, "UTF-8", xml_declaration=True)) + b"\n"

    def _vocabulary(self) -> None:
        words = SubElement(self._root, "CONTROLLED_VOCABULARY", CV_ID="emotions")
        for code, _, _ in _LANGUAGES:
            SubElement(words, "DESCRIPTION", LANG_REF=code)
        for each in EMOTIONS:
            entry = SubElement(words, "CV_ENTRY_ML", CVE_ID=f"cve_{each.name}")
            for (code, _, _), name in zip(_LANGUAGES, (each.name, each.zh), strict=True):
                SubElement(entry, "CVE_VALUE", LANG_REF=code).text = name

    def _time(self, milliseconds: int) -> str:
        name = f"ts{len(self._times) + 1}"
        SubElement(self._times, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(milliseconds))
        return name


def _url(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"))


def _absolute(path: str) -> str | None:
    """The URL of an absolute path, or of an object; None if the path is relative."""
    if "://" in path:
        scheme, _, rest = path.partition("://")
        return f"{scheme}://{_url(rest)}"
    if PurePosixPath(path).is_absolute():
        return f"file://{_url(path)}"
    if PureWindowsPath(path).is_absolute():
        return f"file:///{_url(path.replace(chr(92), '/'))}"
    return None
