"""Pieces of HTML that all pages use."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from emotrace.labels import emotion
from emotrace.webui.texts import Words

MARKS = {"keep": "✓", "flag": "⚑", "drop": "✗"}


def clock(seconds: float) -> str:
    """Seconds as a person writes a time.

    >>> clock(3.52), clock(75), clock(3725)
    ('0:03.5', '1:15', '1:02:05')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    text = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{minutes}:{text}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{text}"


def percent(share: float) -> str:
    """A share as a person writes it.

    >>> percent(0.754)
    '75 %'
    """
    return f"{share * 100:.0f} %"


def size(count: float) -> str:
    """A number of bytes as a person writes it.

    >>> size(100 * 1024**2), size(5_900_000)
    ('100 MiB', '5.6 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if count >= 100 or count == int(count) else f"{count:.1f} {unit}"


def label(name: str, words: Words) -> str:
    """An emotion with its emoji."""
    return (
        f'<span class="em-emoji" aria-hidden="true">{emotion(name).emoji}</span> {escape(words.label(name))}'
    )


def badge(decision: str, words: Words, short: bool = False) -> str:
    """A verdict."""
    said = words(f"{decision}.short" if short else decision)
    mark = f'<span aria-hidden="true">{MARKS[decision]}</span>'
    return f'<span class="em-badge em-{decision}">{mark} {escape(said)}</span>'


def note(text: str, kind: str = "note") -> str:
    """A sentence that stands alone: ``note``, ``error`` or ``done``."""
    role = "alert" if kind == "error" else "status"
    return f'<p class="em-{kind}" role="{role}">{escape(text)}</p>'


def progress(text: str, share: float | None, hint: str = "") -> str:
    """How far something is, None is unknown, and what else is to be said."""
    value = "" if share is None else f' value="{min(1.0, share):.3f}"'
    shown = "" if share is None else f" <b>{percent(share)}</b>"
    below = f'<p class="em-small">{escape(hint)}</p>' if hint else ""
    return (
        f'<div class="em-progress" role="status"><span>{escape(text)}{shown}</span>'
        f'<progress max="1"{value} aria-label="{escape(text)}"></progress>{below}</div>'
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]], name: str) -> str:
    """A table that scrolls by itself where it is too wide; the cells are HTML, the last fills its row."""
    columns = [escape(each) for each in head]
    top = "".join(f'<th scope="col">{each}</th>' for each in columns)
    lines = (f"<tr>{_cells(columns, list(row))}</tr>" for row in rows)
    return (
        f'<div class="em-scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table class="em-table"><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cells(columns: list[str], row: list[str]) -> str:
    span = f' colspan="{len(columns) - len(row) + 1}"' if len(row) < len(columns) else ""
    return "".join(
        f'<td data-head="{head}"{span if i == len(row) else ""}>{cell}</td>'
        for i, (head, cell) in enumerate(zip(columns, row, strict=False), 1)
    )
