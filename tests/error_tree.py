"""Every kind of error that the library knows."""

from __future__ import annotations

from collections.abc import Iterator

from emotrace.errors import EmotraceError


def below(kind: type[EmotraceError] = EmotraceError) -> Iterator[type[EmotraceError]]:
    """A kind, and all kinds below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)
