"""What there is to do: one job for each recording, or each segment of one."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emotrace.batch import remote, urls
from emotrace.results import Failure, Recognition


@dataclass(frozen=True, slots=True)
class Job:
    """One input.

    Attributes:
        file: path of the recording, as it was given.
        start: where the segment begins in it, in seconds; 0 for its start.
        end: where the segment ends; None is the end of the recording.
        failure: why there is nothing to be read, if that is known already.
        state: size and mark of the content, if a listing told; see :class:`Outcome`.
        extra: the other columns of its row in a table, which go into the outputs.
        risky: it may have ended a process before, and is not to end this one.

    >>> Job("talk.wav").whole, Job("talk.wav", 1.0, 2.5).label
    (True, "'talk.wav' from 1 to 2.5 s")
    """

    file: str
    start: float = 0.0
    end: float | None = None
    failure: Failure | None = None
    state: tuple[int, int] | None = field(default=None, compare=False)
    extra: Mapping[str, Any] | None = field(default=None, compare=False)
    risky: bool = field(default=False, compare=False)

    @property
    def whole(self) -> bool:
        """It is a recording from its start to its end."""
        return self.end is None and self.start == 0

    @property
    def label(self) -> str:
        """What a message calls it."""
        if self.whole:
            return repr(self.file)
        return f"{self.file!r} from {self.start:g} " + ("s on" if self.end is None else f"to {self.end:g} s")

    @property
    def key(self) -> bytes:
        """16 bytes that are the same for the same absolute path and segment, whenever it is asked for."""
        parts: list[object] = [self.start, self.end]
        if self.failure is not None:
            parts.append(self.failure.reason)
        local = self.file and not urls.is_url(self.file)
        place = os.path.abspath(self.file) if local else self.file  # noqa: PTH100
        text = _encoded(place) + b"\0" + repr(parts).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=16).digest()


def _encoded(place: str) -> bytes:
    try:
        return os.fsencode(place)
    except UnicodeEncodeError:  # a table can name what no file can be called
        return place.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a job.

    Attributes:
        job: the input.
        result: exactly one of a result and a failure.
        seconds: how long it took.
        state: size and time of change of the file, or size and mark of the content of the object, when it
            was read; None if it was not there.
    """

    job: Job
    result: Recognition | Failure
    seconds: float
    state: tuple[int, int] | None


def segment_times(start: object, end: object) -> tuple[float, float | None]:
    """Times of a segment from what stands in a table.

    Args:
        start: seconds, empty for the start of the recording.
        end: seconds, empty for its end.

    Raises:
        ValueError: they are no times, or nothing is between them.

    >>> segment_times("", None), segment_times("1.5", 3)
    ((0.0, None), (1.5, 3.0))
    """
    first, last = _seconds(start, "start"), _seconds(end, "end")
    if last is not None and last <= (first or 0.0):
        raise ValueError(f"the segment ends at {last:g} s, but starts at {first or 0.0:g} s")
    return first or 0.0, last


def _seconds(value: object, name: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and math.isnan(value):  # how data frames write nothing
        return None
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} is {value!r}; expected seconds, 0 or more")
    return number + 0.0


def file_state(file: str) -> tuple[int, int] | None:
    """Size in bytes and time of change in nanoseconds of a file; None if it cannot be seen.

    Of an object in a store, the second is a number that changes with its content.
    """
    if urls.is_remote(file):
        return remote.state(file)
    try:
        status = os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
