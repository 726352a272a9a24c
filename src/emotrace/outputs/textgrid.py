"""Praat's TextGrid, in its long text form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from emotrace.outputs.annotation import Annotation, Interval, layers


def textgrid(annotation: Annotation) -> str:
    """Interval tiers ``emotion``, ``confidence`` and ``verdict``, and a point tier ``change``, if any.

    Where nothing is said the text is empty. Intervals that overlap are on tiers ``emotion 2`` and so on.

    >>> sad = Interval(500, 1750, "sad", 0.75, {})
    >>> text = textgrid(Annotation("a.wav", "a", 2000, (sad,), (), (), (), "", ""))
    >>> [line.strip() for line in text.splitlines() if "name" in line or "text" in line][:4]
    ['name = "emotion"', 'text = ""', 'text = "sad"', 'text = ""']
    """
    tiers: list[str] = []
    for number, layer in enumerate(layers(annotation.emotions), 1):
        tiers.append(_intervals(_named("emotion", number), layer, annotation.end, _label))
        tiers.append(_intervals(_named("confidence", number), layer, annotation.end, _confidence))
    for number, layer in enumerate(layers(annotation.verdicts), 1):
        tiers.append(_intervals(_named("verdict", number), layer, annotation.end, _label))
    if annotation.changes:
        tiers.append(_points("change", annotation.changes, annotation.end))
    body = "".join(f"    item [{number}]:\n{tier}" for number, tier in enumerate(tiers, 1))
    return (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        f"xmin = 0 \nxmax = {_seconds(annotation.end)} \n"
        f"tiers? <exists> \nsize = {len(tiers)} \nitem []: \n{body}"
    )


def _named(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number}"


def _label(interval: Interval) -> str:
    return interval.label


def _confidence(interval: Interval) -> str:
    return f"{interval.confidence:.4f}"


def _intervals(name: str, layer: Sequence[Interval], end: int, text_of: Callable[[Interval], str]) -> str:
    parts = list(_filled(layer, end, text_of))
    lines = "".join(
        f"        intervals [{number}]:\n            xmin = {_seconds(first)} \n"
        f"            xmax = {_seconds(last)} \n            text = {_quoted(text)} \n"
        for number, (first, last, text) in enumerate(parts, 1)
    )
    return _head("IntervalTier", name, end) + f"        intervals: size = {len(parts)} \n" + lines


def _filled(
    layer: Sequence[Interval], end: int, text_of: Callable[[Interval], str]
) -> Iterator[tuple[int, int, str]]:
    """The intervals with empty ones between them: a tier covers all of the time."""
    at = 0
    for each in layer:
        if each.start > at:
            yield at, each.start, ""
        yield each.start, each.end, text_of(each)
        at = each.end
    if at < end:
        yield at, end, ""


def _points(name: str, points: Sequence[tuple[int, str]], end: int) -> str:
    lines = "".join(
        f"        points [{number}]:\n            number = {_seconds(at)} \n"
        f"            mark = {_quoted(text)} \n"
        for number, (at, text) in enumerate(points, 1)
    )
    return _head("TextTier", name, end) + f"        points: size = {len(points)} \n" + lines


def _head(kind: str, name: str, end: int) -> str:
    return (
        f'        class = "{kind}" \n        name = {_quoted(name)} \n        xmin = 0 \n'
        f"        xmax = {_seconds(end)} \n"
    )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
