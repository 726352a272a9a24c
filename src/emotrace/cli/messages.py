"""What is said on standard error, and JSON on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotrace.results import Failure


FEW = 20
"""So many lines say what happened; more are counted."""


def unexpected(problem: Exception) -> str:
    """The sentence about an error that nobody foresaw.

    >>> unexpected(KeyError("x"))
    "unexpected error, a bug of emotrace: KeyError: 'x' (EMOTRACE_DEBUG=1 shows where)"
    """
    if isinstance(problem, MemoryError):
        return "there is not enough memory for this; close other programs or cut the recording"
    kind, text = type(problem).__name__, str(problem)
    hint = "" if os.environ.get("EMOTRACE_DEBUG") else " (EMOTRACE_DEBUG=1 shows where)"
    return f"unexpected error, a bug of emotrace: {kind}: {text}{hint}"


def bug(source: str, problem: Exception) -> Failure:
    """The failure of an input that an error nobody foresaw is; where it was, if ``EMOTRACE_DEBUG`` asks."""
    from emotrace.results import Failure

    if os.environ.get("EMOTRACE_DEBUG"):
        import traceback

        traceback.print_exception(problem)
    return Failure(source, "bug", unexpected(problem))


def failure_sentence(failure: Failure) -> str:
    """The reason of a failure, with the input's name in front where it does not hold it."""
    named = failure.source in failure.reason or repr(failure.source) in failure.reason
    return failure.reason if named else f"{failure.source}: {failure.reason}"


def tell_failures(failures: Sequence[Failure], where: str = "") -> None:
    """Say why inputs failed: a few sentences; of more, how many there are.

    Args:
        failures: all of them.
        where: more is said of those that are only counted.
    """
    for failure in failures[:FEW]:
        tell(failure_sentence(failure))
    if len(failures) > FEW:
        tell(f"... and {len(failures) - FEW} more{where}")


def tell(sentence: str) -> None:
    """One line on standard error."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(f"emotrace: {one_line(sentence)}", file=sys.stderr, flush=True)  # noqa: T201


def hush(library: str) -> None:
    """Let a library put nothing but errors on standard error: what it warns of is not for the user."""
    import logging

    logging.getLogger(library).setLevel(logging.ERROR)


def print_json(record: Mapping[str, Any]) -> None:
    """One line of JSON on standard output, whatever a file is called."""
    import typer

    from emotrace.outputs.records import dumps

    typer.echo(dumps(record).encode("utf-8", "backslashreplace"))


def one_line(text: str) -> str:
    r"""The text without line breaks and control characters, which a file name may hold.

    >>> print(one_line("two\nlines\x1b[0m"))
    two\nlines\x1b[0m
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
