"""Speech cut at pauses into stretches that a model takes as one utterance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emotrace.errors import OptionError
from emotrace.results import Array
from emotrace.segmentation.voice_activity import CHUNK
from emotrace.timing import SAMPLING_RATE

CHUNKS_PER_SECOND = SAMPLING_RATE / CHUNK


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech.

    Attributes:
        start: first sample.
        end: one after the last sample.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CutRule:
    """When speech starts and ends; times in seconds, rounded to chunks of 32 ms.

    Attributes:
        on: probability at which speech starts.
        off: probability under which it may end.
        pause: a pause this long ends a stretch.
        longest: no stretch is longer; longer speech is cut where speech is least likely.
        shortest: less speech than this is no stretch.
        margin: kept before and after the speech, inside the pause.

    Raises:
        OptionError: a value is out of its range, or ``longest`` leaves no room for two shortest
            stretches and two pauses.

    >>> CutRule(longest=10.0).pause
    0.5
    """

    on: float = 0.5
    off: float = 0.35
    pause: float = 0.5
    longest: float = 15.0
    shortest: float = 0.3
    margin: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.off <= self.on <= 1:
            raise OptionError(f"off is {self.off} and on is {self.on}; expected 0 < off <= on <= 1")
        if not (self.pause > 0 and self.shortest > 0 and self.margin >= 0):
            raise OptionError(
                f"pause is {self.pause} s, shortest {self.shortest} s and margin {self.margin} s; "
                "expected positive times, and a margin that is not negative"
            )
        least = 2 * (self.pause + self.shortest + self.margin) + 6 / CHUNKS_PER_SECOND
        if not least <= self.longest < math.inf:
            raise OptionError(
                f"longest is {self.longest} s; expected at least {least:.2f} s: twice pause, shortest and "
                "margin together"
            )


class StretchCutter:
    """Speech probabilities of a stream in, stretches out; any chunking gives the same.

    >>> import numpy as np
    >>> cutter = StretchCutter()
    >>> speech = np.repeat(np.float32([0, 1, 0]), [50, 100, 50])
    >>> cutter.feed(speech) + cutter.finish()
    [Stretch(start=24064, end=78336)]
    """

    def __init__(self, rule: CutRule | None = None) -> None:
        self.rule = rule or CutRule()
        self._pause = max(1, round(self.rule.pause * CHUNKS_PER_SECOND))
        self._shortest = max(1, round(self.rule.shortest * CHUNKS_PER_SECOND))
        self._margin = min(round(self.rule.margin * CHUNKS_PER_SECOND), self._pause // 2)
        self._longest = int(self.rule.longest * CHUNKS_PER_SECOND) - 2 * self._margin
        self._position = 0
        self._start: int | None = None
        self._speech_end = 0
        self._probabilities: list[float] = []
        self._floor = 0  # no margin reaches back over the end of the stretch before

    @property
    def keep_from(self) -> int:
        """First sample that a stretch to come may still need."""
        first = self._position if self._start is None else self._start
        return max(self._floor, first - self._margin) * CHUNK

    @property
    def speaking(self) -> Stretch | None:
        """The stretch that goes on, with its speech so far; None before it is sure to become one.

        It will start there, and end no sooner.

        >>> import numpy as np
        >>> cutter = StretchCutter()
        >>> cutter.feed(np.ones(8, np.float32)), cutter.speaking, cutter.feed(np.ones(1, np.float32))
        ([], None, [])
        >>> cutter.speaking
        Stretch(start=0, end=4608)
        """
        if self._start is None or self._speech_end - self._start < self._shortest:
            return None
        return Stretch(max(self._floor, self._start - self._margin) * CHUNK, self._speech_end * CHUNK)

    def feed(self, probabilities: Array) -> list[Stretch]:
        """Stretches that have ended by now.

        Args:
            probabilities: float32 (n,), speech in each further chunk of 512 samples.

        Returns:
            In order of time; they do not overlap.
        """
        out: list[Stretch] = []
        for p in probabilities.tolist():
            self._step(p, out)
        return out

    def finish(self) -> list[Stretch]:
        """The stretch that the end of the stream ends, if there is one."""
        out: list[Stretch] = []
        if self._start is not None:
            self._close(out)
        return out

    def _step(self, p: float, out: list[Stretch]) -> None:
        here = self._position
        self._position += 1
        if self._start is None:
            if not p >= self.rule.on:
                return
            self._start, self._probabilities = here, []
        self._probabilities.append(p)
        if p >= self.rule.off:
            self._speech_end = here + 1
        if here + 1 - self._speech_end >= self._pause:
            self._close(out)
        elif here + 1 - self._start >= self._longest:
            self._cut(out)

    def _cut(self, out: list[Stretch]) -> None:
        """Cut too long a stretch where speech is least likely, in its second half.

        If that is in a pause that has not ended yet, the stretch ends with its speech; else enough of the
        speech stays behind the cut to be a stretch of its own.
        """
        assert self._start is not None
        half, spoken = self._longest // 2, self._speech_end - self._start
        at = half + int(np.argmin(self._probabilities[half:]))
        if at >= spoken:
            self._close(out)
            return
        at = half + int(np.argmin(self._probabilities[half : spoken - self._shortest + 1]))
        cut = self._start + at
        self._emit(self._start, cut, cut, out)
        self._start, self._probabilities = cut, self._probabilities[at:]

    def _close(self, out: list[Stretch]) -> None:
        assert self._start is not None
        self._emit(self._start, self._speech_end, self._position, out)
        self._start = None

    def _emit(self, start: int, end: int, limit: int, out: list[Stretch]) -> None:
        """Give a stretch from chunk to chunk, with its margins; the one behind stays before ``limit``."""
        if end - start < self._shortest:
            return
        first = max(self._floor, start - self._margin)
        last = min(end + self._margin, limit)
        self._floor = last
        out.append(Stretch(first * CHUNK, last * CHUNK))
