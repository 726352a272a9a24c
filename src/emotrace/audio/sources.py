"""What can be given as audio, how it is named, and how much of it is read."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeAlias, runtime_checkable

from numpy.typing import ArrayLike

from emotrace.audio.pieces import Description
from emotrace.errors import OptionError
from emotrace.results import Array, Signal

BinaryFile: TypeAlias = BinaryIO | io.RawIOBase | io.BufferedIOBase
"""An open file, pipe or anything else with a ``read(size)`` that gives bytes."""


class Blocks(Protocol):
    """What a decoder is to those who use it; see :class:`emotrace.audio.decode.Decoder`."""

    @property
    def description(self) -> Description:
        """See there; so are the others."""
        ...

    @property
    def warning(self) -> str | None:
        """See there."""
        ...

    @property
    def clipping_share(self) -> float:
        """See there."""
        ...

    def __enter__(self) -> Blocks: ...

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Array]: ...


@runtime_checkable
class DecodedElsewhere(Protocol):
    """A source that brings its own decoder, such as one in another process.

    Attributes:
        name: for messages and results.
    """

    name: str

    def decoder(self, *, channel: int | None, limits: Limits, block_seconds: float) -> Blocks:
        """See :func:`emotrace.audio.decode.decoder_of`."""
        ...


Source: TypeAlias = (
    str | os.PathLike[str] | bytes | BinaryFile | tuple[ArrayLike, int] | Signal | DecodedElsewhere
)
"""A path, the bytes of a file, an open binary file, ``(samples, sampling_rate)``, a Signal, or what is
decoded elsewhere."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an input is read before it is refused.

    Attributes:
        max_bytes: bytes of the encoded input, default 4 GiB.
        max_seconds: seconds of decoded audio, default 24 hours.

    Raises:
        OptionError: a limit is not a positive number.
    """

    max_bytes: int = 4 * 1024**3
    max_seconds: float = 24 * 3600.0

    def __post_init__(self) -> None:
        for name, value in (("max_bytes", self.max_bytes), ("max_seconds", self.max_seconds)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise OptionError(f"{name} is {value!r}; expected a positive number")
        if math.isnan(self.max_seconds):
            raise OptionError("max_seconds is nan; expected a positive number")


def name_of(source: object) -> str:
    """What a person would call the source.

    >>> name_of("talk.wav"), name_of(b"RIFF"), name_of(([0.0], 16000))
    ('talk.wav', '<bytes>', '<array>')
    """
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return "<bytes>"
    if isinstance(source, DecodedElsewhere):
        return source.name
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        if name == 0 and not isinstance(name, bool):
            return "<stdin>"
        return os.fsdecode(name) if isinstance(name, str | bytes) and name else "<file object>"
    return "<array>"


def quoted(name: str) -> str:
    r"""The name as it stands in a message: on one line, whatever it contains.

    >>> print(quoted("two\nlines.wav"), quoted("<stdin>"), quoted("声音.mp3"))
    'two\nlines.wav' <stdin> '声音.mp3'
    """
    if name in {"<bytes>", "<stdin>", "<array>", "<file object>", "<stream>"}:
        return name
    return repr(name if len(name) <= 200 else f"{name[:120]}...{name[-60:]}")
