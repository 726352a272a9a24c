"""Results that a page shows, and their sound, for as long as somebody may want to download them."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from emotrace.outputs import Granularity
from emotrace.outputs.envelope import Envelope
from emotrace.results import Failure, Recognition
from emotrace.server.problems import RequestError

KEPT_SECONDS = 3600.0
"""How long an upload and what was made of it can be had."""

MOST_BYTES = 4 * 1024**3
"""Of sound that is kept at a time; of whoever has most of it, the oldest goes first."""


@dataclass(frozen=True, slots=True, eq=False)
class Shelved:
    """One result.

    Attributes:
        owner: key of the caller.
        result: the recognition.
        granularity: what was asked for.
        when: local time of the recognition.
        sound: the recording, 16 kHz mono WAV.
        upload: path of what was uploaded.
        outline: of its waveform.
        embedding: whether the embedding was asked for.
        kept: identifier in the history; None is not kept there.
        seconds: that the recognition took.
        record: of the recognition, with frames if they were asked for.
    """

    owner: str
    result: Recognition
    granularity: Granularity
    when: datetime
    sound: Path
    upload: str
    outline: Envelope
    embedding: bool
    kept: str | None
    seconds: float
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Several results.

    Attributes:
        owner: key of the caller.
        items: identifiers of results, and failures, in the order of the files.
    """

    owner: str
    items: tuple[str | Failure, ...] = field(default=())


class Shelf:
    """Holds results for their owners.

    Args:
        folder: private, for their sound.
        is_kept: whether the history still has what it had; what was deleted there is gone here, too.
        forget: is told of each result that is gone.
        clock: seconds.
    """

    def __init__(
        self,
        folder: Path,
        is_kept: Callable[[str], bool] = lambda _: True,
        forget: Callable[[Shelved], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self._is_kept, self._forget, self._clock = folder, is_kept, forget, clock
        self._lock = threading.Lock()
        self._things: OrderedDict[str, tuple[float, Shelved | Batch]] = OrderedDict()

    def new_sound(self) -> Path:
        """Where the next recording may be written."""
        return self.folder / f"{secrets.token_urlsafe(18)}.wav"

    def add(self, thing: Shelved | Batch) -> str:
        """Keep something; its identifier, which cannot be guessed."""
        name = secrets.token_urlsafe(18)
        with self._lock:
            self._things[name] = (self._clock(), thing)
        self._remove(self._too_much())
        return name

    def result(self, name: str, owner: str) -> Shelved:
        """A result of a caller, after a look whether it was deleted.

        Raises:
            RequestError: ``not-found``: there is none, it is another's, or it is gone.
            StoreError: the history cannot be asked.
        """
        found = self.shown(name, owner)
        if self._is_deleted(found):
            self._remove([name])
            raise _gone()
        return found

    def shown(self, name: str, owner: str) -> Shelved:
        """A result for the page that has just made it; see :meth:`result`."""
        thing = self._get(name, owner)
        if not isinstance(thing, Shelved):
            raise _gone()
        return thing

    def items(self, batch: Batch) -> Iterator[Shelved | Failure]:
        """What is there of several results."""
        for each in batch.items:
            with suppress(RequestError):  # it is gone
                yield each if isinstance(each, Failure) else self.result(each, batch.owner)

    def batch(self, name: str, owner: str) -> Batch:
        """Several results of a caller; see :meth:`result`."""
        thing = self._get(name, owner)
        if not isinstance(thing, Batch):
            raise _gone()
        return thing

    def tidy(self) -> None:
        """Remove what is old, the oldest of too much, and what the history has no more.

        Raises:
            StoreError: the history cannot be asked.
        """
        self._remove(self._too_much())
        with self._lock:
            there = [(name, thing) for name, (_, thing) in self._things.items()]
        self._remove([name for name, thing in there if self._is_deleted(thing)])

    def _too_much(self) -> list[str]:
        with self._lock:
            limit = self._clock() - KEPT_SECONDS
            old = [name for name, (since, _) in self._things.items() if since < limit]
            return [*old, *self._beyond(MOST_BYTES, set(old))]

    def _beyond(self, most: int, gone: Collection[str]) -> Iterator[str]:
        used: Counter[str] = Counter()
        of_each: defaultdict[str, deque[tuple[str, int]]] = defaultdict(deque)
        for name, (_, thing) in self._things.items():
            if name in gone:
                continue
            used[thing.owner] += _bytes(thing)
            of_each[thing.owner].append((name, _bytes(thing)))
        while used.total() > most:
            [(owner, _)] = used.most_common(1)
            name, size = of_each[owner].popleft()
            used[owner] -= size
            yield name

    def _remove(self, names: list[str]) -> None:
        with self._lock:
            gone = [self._things.pop(name)[1] for name in dict.fromkeys(names) if name in self._things]
        for thing in gone:
            if isinstance(thing, Shelved):
                thing.sound.unlink(missing_ok=True)
                self._forget(thing)

    def _is_deleted(self, thing: Shelved | Batch) -> bool:
        return isinstance(thing, Shelved) and thing.kept is not None and not self._is_kept(thing.kept)

    def _get(self, name: str, owner: str) -> Shelved | Batch:
        found = self._things.get(name)
        if found is None or found[1].owner != owner:
            raise _gone()
        return found[1]


def _gone() -> RequestError:
    return RequestError("not-found", "this result is not here any more; analyse the recording again")


def remove_old(folder: Path, seconds: float = KEPT_SECONDS) -> None:
    """Remove files that nobody wrote to for long, and folders that are empty then."""
    limit = time.time() - seconds
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        with suppress(OSError):  # it is in use, or gone already
            if path.lstat().st_mtime < limit:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _bytes(thing: Shelved | Batch) -> int:
    if not isinstance(thing, Shelved):
        return 0
    return int(thing.result.duration * 32_000)
