"""Where a graph says that its weights lie: read from the ONNX file, before a runtime follows it there.

Not every ONNX Runtime (1.23 is the last for Python 3.10) stays in the folder of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Final

_INNER: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        **{5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
        **{22: "sparse tensor", 23: "sparse tensor"},
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""What of each message of onnx.proto may hold tensors, by the numbers of its fields."""

_KEY, _VALUE = 1, 2  # of an entry
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # kinds of fields
_MOST = 1 << 32


def locations(model: bytes | mmap) -> set[str]:
    """The files that tensors of a model are said to lie in, as they are written there.

    Source: the protocol buffers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

    Args:
        model: the content of an ONNX file.

    Raises:
        ValueError: it is none.

    >>> sorted(locations(b""))
    []
    """
    found = set()
    todo = [("model", 0, len(model))]
    while todo:
        kind, begin, end = todo.pop()
        if kind == "entry":
            entry = {field: model[first:last] for field, first, last in _fields(model, begin, end)}
            if entry.get(_KEY) == b"location":
                found.add(entry.get(_VALUE, b"").decode("utf-8", "replace"))
            continue
        inner = _INNER[kind]
        fields = _fields(model, begin, end)
        todo += [(inner[field], first, last) for field, first, last in fields if field in inner]
    return found


def _fields(model: bytes | mmap, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field of a message that has a length."""
    at = begin
    while at < end:
        tag, at = _varint(model, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = _varint(model, at)
            if at + length <= end:
                yield tag >> 3, at, at + length
            at += length
        elif kind == _VARINT:
            while at < end and model[at] & 0x80:
                at += 1
            at += 1
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"byte {at} begins no field; expected an ONNX file")
    if at > end:
        raise ValueError(f"a field ends at byte {at}, what holds it at {end}; expected an ONNX file")


def _varint(model: bytes | mmap, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    number = shift = 0
    while at < len(model) and number < _MOST:
        byte = model[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 and number < _MOST:
            return number, at
    raise ValueError(f"byte {at} ends no number; expected an ONNX file")
