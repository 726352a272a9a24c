"""What the page for many recordings shows of them, however they are recognised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from emotrace.webui.markup import badge, clock, label, note, percent, table
from emotrace.webui.texts import Words

LISTED = 200
"""Recordings in the table of the page; those in the files to download are all."""

Row = tuple[str, ...]


def open_row(source: str, state: str) -> Row:
    """A recording that has no result."""
    return _name(source), f'<span class="em-faint">{escape(state)}</span>'


def failed_row(source: str, reason: str) -> Row:
    """A recording that cannot be recognised."""
    return _name(source), f'<span class="em-bad">{escape(reason)}</span>'


def done_row(
    source: str, emotion: str, confidence: float, decision: str | None, seconds: float, words: Words
) -> Row:
    """A recording with its result."""
    verdict = "" if decision is None else badge(decision, words, short=True)
    return _name(source), label(emotion, words), percent(confidence), verdict, clock(seconds)


def board(rows: Sequence[Row], words: Words) -> str:
    """The table."""
    head = (words(f"batch.{each}") for each in ("name", "emotion", "sureness", "verdict", "length"))
    more = f'<p class="em-small">{escape(words("batch.more", LISTED, len(rows)))}</p>'
    return table(head, rows[:LISTED], words("tab.batch")) + (more if len(rows) > LISTED else "")


def ended(text: str, links: Iterable[tuple[str, str]]) -> str:
    """How it ended, and where its files are: name and address of each."""
    chips = "".join(
        f'<a class="em-chip" download href="{escape(address)}">{escape(name)}</a>' for name, address in links
    )
    return note(text, "done") + f'<div class="em-chips">{chips}</div>'


def _name(source: str) -> str:
    return f'<span class="em-file">{escape(source)}</span>'
