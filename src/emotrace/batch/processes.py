"""Workers that are processes: Python's lock is no bound, and a recording that ends one ends no batch."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from emotrace.batch.jobs import Job, Outcome, file_state
from emotrace.batch.work import Unit
from emotrace.batch.worker import Orders
from emotrace.errors import ModelError
from emotrace.recognition.parallel import GivenUp
from emotrace.results import Failure, ModelInfo

TRIES = 2
"""So many processes may a recording end before it is a failure; the first may have had another reason."""

AHEAD = 2
"""Recordings that a process is told of at a time, so that it never waits for the next one."""


@dataclass(slots=True)
class _Doing:
    """A recording that a process was told of: jobs without an outcome, and how many processes it ended."""

    file: str
    left: list[Job]
    ended: int = 0


class ProcessWorker:
    """Works in a process of its own, which is started anew if it ends.

    Args:
        orders: what the process is told.
        info: the model that it must have.
    """

    def __init__(self, orders: Orders, info: ModelInfo) -> None:
        self._orders, self._info = orders, info
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False
        self._changing = threading.Lock()

    def work(self, units: Iterator[Unit], go_on: Callable[[], None]) -> Iterator[Outcome]:
        """See :meth:`~emotrace.batch.team.Worker.work`.

        Raises:
            EmotraceError: the model cannot be loaded, or is another one.
        """
        doing: deque[_Doing] = deque()
        told = 0  # of them the process knows
        try:
            while True:
                doing.extend(_Doing(unit.file, list(unit.jobs)) for unit in islice(units, AHEAD - len(doing)))
                if not doing:
                    break
                try:
                    if self._process is None:
                        self._start()
                        told = 0
                    for each in islice(doing, told, None):
                        self._tell(Unit(each.file, tuple(each.left)))
                    told = len(doing)
                    while (outcome := self._answer()) is not None:
                        doing[0].left.remove(outcome.job)
                        yield outcome
                    doing.popleft()
                    told -= 1
                except _EndedError as ended:
                    go_on()
                    doing[0].ended += 1
                    if doing[0].ended == TRIES:
                        for job in doing.popleft().left:
                            yield Outcome(job, lost(job, str(ended)), 0.0, file_state(job.file))
            if self._process is not None:
                with suppress(_EndedError):
                    self._tell(None)  # it may end in peace
                    self._answer()
        finally:
            self._end()

    def give_up(self) -> None:
        """End the process."""
        with self._changing:
            self._given_up = True
            process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> None:
        with self._changing:
            if self._given_up:
                raise GivenUp
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for this process only
            )
        try:
            self._tell(self._orders)
            info = self._answer()
        except _EndedError as ended:
            raise ModelError(
                f"a process for the model {self._info.name!r} cannot be started: {ended}"
            ) from ended
        check_same(info, self._info)

    def _tell(self, what: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            pickle.dump(what, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except OSError as problem:
            raise self._ended() from problem

    def _answer(self) -> Any:
        assert self._process is not None and self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as problem:
            raise self._ended() from problem
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _ended(self) -> _EndedError:
        process = self._process
        assert process is not None
        with suppress(subprocess.TimeoutExpired):  # else it lives, but says nothing that could be understood
            process.wait(5)
        self._end()
        return _EndedError(process.returncode)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        process.wait()


_CODE = "import sys; sys.path[:] = {path!r}; from emotrace.batch.worker import main; main()"


class _EndedError(Exception):
    """The process has ended, with this status."""

    def __init__(self, status: int) -> None:
        name = f"status {status}"
        if status < 0:
            with suppress(ValueError):
                name = signal.Signals(-status).name
        super().__init__(f"it ended with {name}")


def check_same(info: ModelInfo, expected: ModelInfo) -> None:
    """Refuse a worker's model that is not the one of the batch.

    Raises:
        ModelError: its name, revision or precision differ.
    """
    ours = (expected.name, expected.revision, expected.precision)
    theirs = (info.name, info.revision, info.precision)
    if ours != theirs:
        raise ModelError(
            f"a worker has the model {' '.join(theirs)}; expected {' '.join(ours)}: install the "
            "same model everywhere"
        )


def lost(job: Job, how: str) -> Failure:
    """The Failure of a recording whose workers ended.

    >>> print(lost(Job("a.wav"), "it ended with SIGSEGV").reason)
    'a.wav' ended the process that read it, 2 times (it ended with SIGSEGV): broken, or memory is short
    """
    reason = f"{job.label} ended the process that read it, {TRIES} times ({how}): broken, or memory is short"
    return Failure(job.file, "crash", reason)
