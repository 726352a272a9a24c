"""Who computes, and who waits: on a CPU, recordings that wait for the network share its next run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from emotrace.models.batching import BatchedEncoder, plan
from emotrace.models.encoder import Encoder, Encoding
from emotrace.recognition.parallel import Gathering, Request
from emotrace.results import Array

Shares = Callable[[Sequence[int]], bool]
"""Whether waveforms of so many samples run in one batch."""


class Turns:
    """So many threads compute at a time; the others wait in the order in which they came.

    A thread that comes to the network offers its place to whoever waits for one. The network runs as soon as
    it is idle or nobody else needs the place, so no core waits for a batch to fill.

    Args:
        places: threads at a time.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._guard = threading.Lock()
        self._comers: deque[_Waiting] = deque()
        self._runs: deque[_Run] = deque()  # that wait for the network
        self._running = 0
        self._mine = threading.local()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place while the block runs."""
        self._come(self._comers.append)
        self._mine.gathers = True
        try:
            yield
        finally:
            self._mine.gathers = False
            with self._guard:
                self._free += 1
                self._go_on()

    @property
    def gathers(self) -> bool:
        """Whether this thread has a place that it has not offered yet.

        It does so once: many recordings of an hour that are half done would only be in each other's way.
        """
        return getattr(self._mine, "gathers", False)

    def run(self, request: Request, serve: Callable[[list[Request]], None], shares: Shares) -> None:
        """Let the network run for a request, and for those that wait along and can share its batch.

        Args:
            request: of this thread, which has a place.
            serve: runs the network and fills in the results; it must not raise.
            shares: see :data:`Shares`.
        """
        self._mine.gathers = False
        run = _Run(request, shares)
        with self._guard:
            self._runs.append(run)
            self._free += 1
            self._go_on()
        run.turn.wait()
        if run.group:  # else another thread ran it
            serve([each.request for each in run.group])
            with self._guard:
                self._running -= 1
                self._go_on()
            for other in run.group[1:]:
                other.turn.set()
        else:
            self._come(self._comers.appendleft)  # what is half done goes before what is not begun

    def _come(self, join: Callable[[_Waiting], None]) -> None:
        waiting = _Waiting()
        with self._guard:
            join(waiting)
            self._go_on()
        waiting.turn.wait()

    def _go_on(self) -> None:
        """Give the free places away; the guard is held."""
        while self._free and (self._runs or self._comers):
            self._free -= 1
            if self._runs and not (self._running and self._comers):
                self._running += 1
                self._begin(self._runs.popleft())
            else:
                self._comers.popleft().turn.set()

    def _begin(self, first: _Run) -> None:
        first.group.append(first)
        lengths = first.lengths
        for other in list(self._runs):
            if other.shares == first.shares and first.shares(lengths + other.lengths):
                first.group.append(other)
                lengths = lengths + other.lengths
                self._runs.remove(other)
        first.turn.set()


class TakingTurns(Gathering):
    """An Encoder that makes one batch of what threads with places come for first; all else it does at once.

    Args:
        encoder: the model.
        shares: see :data:`Shares`.
        turns: of the threads.

    >>> import numpy as np
    >>> from emotrace.models.encoder import FakeEncoder
    >>> turns = Turns(1)
    >>> with turns.place():
    ...     len(TakingTurns(FakeEncoder(), lambda lengths: True, turns).encode([np.ones(1600, np.float32)]))
    1
    """

    def __init__(self, encoder: Encoder, shares: Shares, turns: Turns) -> None:
        super().__init__(encoder)
        self._shares, self._turns = shares, turns

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :meth:`emotrace.models.encoder.Encoder.encode`."""
        if not self._turns.gathers:
            return self._encoder.encode(waveforms, references)
        request = Request(waveforms, references)
        self._turns.run(request, self._serve, self._shares)
        return request.answer()


def rule_of(encoder: Encoder) -> Shares | None:
    """Which waveforms the encoder says it runs together; None if each runs alone.

    >>> from emotrace.recognition import Recognizer
    >>> shares = rule_of(Recognizer("compact").encoder)
    >>> shares([48000, 48000]), shares([48000, 47000])
    (True, False)
    """
    if not isinstance(encoder, BatchedEncoder):
        return None

    def shares(lengths: Sequence[int]) -> bool:
        return len(plan(lengths, encoder.card, encoder.limits)) == 1

    a_second = encoder.card.sampling_rate
    return shares if shares([a_second, a_second]) else None


class _Waiting:
    def __init__(self) -> None:
        self.turn = threading.Event()


class _Run(_Waiting):
    def __init__(self, request: Request, shares: Shares) -> None:
        super().__init__()
        self.request, self.shares = request, shares
        self.lengths = [len(waveform) for waveform in request.waveforms]
        self.group: list[_Run] = []  # that it runs for, itself the first
