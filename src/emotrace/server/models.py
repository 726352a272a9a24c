"""Models that stay loaded while they are used: loaded once, released when idle, tried again after failing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from emotrace.errors import EmotraceError, ModelError, ModelNotFoundError
from emotrace.models import registry
from emotrace.models.encoder import fewest_samples
from emotrace.models.loading import tell_torch
from emotrace.models.selection import choose_runtime
from emotrace.recognition import Recognizer
from emotrace.recognition.parallel import Gathering
from emotrace.server.monitoring.logs import log
from emotrace.server.monitoring.metrics import Measured, Metrics
from emotrace.server.problems import RETRY_SECONDS
from emotrace.server.settings import Settings
from emotrace.server.turns import TakingTurns, Turns, rule_of
from emotrace.timing import SAMPLING_RATE

State = Literal["unloaded", "loading", "loaded", "failed"]


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    recognizer: Recognizer | None = None
    users: int = 0
    used: float = 0.0
    loading: bool = False
    failure: EmotraceError | None = None
    failed: float = 0.0


class Models:
    """The loaded models.

    Args:
        load: makes the recognizer of a name, ready to answer.
        idle_seconds: a model that nobody used for so long is released; 0 keeps it.
        retry_seconds: after a failed load, how long the failure stands before it is tried again.
        clock: seconds.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> models = Models(lambda name: Recognizer(encoder=FakeEncoder()))
    >>> with models.using("fake") as recognizer:
    ...     recognizer.card.name, models.state("fake")
    ('fake', 'loaded')
    """

    def __init__(
        self,
        load: Callable[[str], Recognizer],
        *,
        idle_seconds: float = 0.0,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._clock = load, clock
        self._idle, self._retry = idle_seconds, retry_seconds
        self._guard = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    @contextmanager
    def using(self, name: str) -> Iterator[Recognizer]:
        """The model of a name, loaded if it is not; whoever asks meanwhile waits for the same load.

        Raises:
            EmotraceError: it cannot be loaded, or could not a moment ago.
        """
        entry = self._entry(name)
        with self._guard:
            entry.users += 1
        try:
            yield self._loaded(name, entry)
        finally:
            with self._guard:
                entry.users -= 1
                entry.used = self._clock()

    def load(self, name: str) -> None:
        """Load a model.

        Raises:
            EmotraceError: it cannot be loaded.
        """
        with self.using(name):
            pass

    def unload(self, name: str) -> bool:
        """Release a model; what runs with it goes on. False if it was not loaded."""
        entry = self._entry(name)
        with entry.lock:
            was = entry.recognizer is not None
            entry.recognizer = entry.failure = None
        if was:
            log.info("model %s released", name)
        return was

    def release_idle(self) -> list[str]:
        """Release what nobody used for long; their names."""
        if not self._idle:
            return []
        with self._guard:
            now = self._clock()
            idle = [
                name
                for name, entry in self._entries.items()
                if entry.recognizer is not None and not entry.users and now - entry.used >= self._idle
            ]
        return [name for name in idle if self.unload(name)]

    def state(self, name: str) -> State:
        """How a model is just now."""
        entry = self._entries.get(name)
        if entry is None:
            return "unloaded"
        if entry.recognizer is not None:
            return "loaded"
        return "loading" if entry.loading else "failed" if entry.failure else "unloaded"

    def states(self) -> dict[State, int]:
        """How many of the models that were ever asked for are in which state."""
        counts: dict[State, int] = dict.fromkeys(get_args(State), 0)
        for name in list(self._entries):
            counts[self.state(name)] += 1
        return counts

    def _entry(self, name: str) -> _Entry:
        with self._guard:
            return self._entries.setdefault(name, _Entry())

    def _loaded(self, name: str, entry: _Entry) -> Recognizer:
        with entry.lock:
            if entry.recognizer is None:
                if entry.failure is not None and self._clock() - entry.failed < self._retry:
                    raise entry.failure
                entry.recognizer = self._new(name, entry)
            return entry.recognizer

    def _new(self, name: str, entry: _Entry) -> Recognizer:
        entry.loading = True
        start = time.monotonic()
        try:
            recognizer = self._load(name)
        except EmotraceError as error:
            self._failed(name, entry, error)
            raise
        except Exception as error:
            failure = ModelError(f"model {name!r} cannot be loaded: {type(error).__name__}: {error}")
            self._failed(name, entry, failure)
            raise failure from error
        finally:
            entry.loading = False
        entry.failure = None
        log.info("model %s loaded in %.1f s", name, time.monotonic() - start)
        return recognizer

    def _failed(self, name: str, entry: _Entry, failure: EmotraceError) -> None:
        entry.failure, entry.failed = failure, self._clock()
        log.error("model %s cannot be loaded: %s", name, failure)


def load_recognizer(
    name: str, settings: Settings, metrics: Metrics | None = None, turns: Turns | None = None
) -> Recognizer:
    """A recognizer that has answered once, so that the next answer takes no longer than all others.

    On a CPU each inference has one thread, and about as many run side by side as there are cores; what waits
    shares a batch if the encoder says so. What is asked of a GPU at the same time shares one in any case.

    Args:
        name: of an installed model.
        settings: of the service.
        metrics: count its batches and its time; None does not.
        turns: of the threads that will use it; None gathers nothing on a CPU.

    Raises:
        EmotraceError: it cannot be loaded.

    >>> load_recognizer("compact", Settings()).info.threads
    1
    """
    recognizer = Recognizer(
        name,
        precision=settings.precision,
        device=settings.device,
        runtime=settings.runtime,
        threads=_threads(name, settings),
    )
    shortest = fewest_samples(recognizer.card)
    recognizer.encoder.encode([np.zeros(max(shortest, SAMPLING_RATE), np.float32)])
    encoder = recognizer.encoder
    if metrics is not None:
        encoder = Measured(encoder, metrics)
    shares = rule_of(recognizer.encoder)
    if recognizer.info.device == "cuda":
        encoder = Gathering(encoder)
    elif turns is not None and shares is not None:
        encoder = TakingTurns(encoder, shares, turns)
    return Recognizer(encoder=encoder)


def _threads(name: str, settings: Settings) -> int:
    """Of one inference; torch has one number for the whole process, which is set here, before it loads."""
    threads = settings.threads or 1
    card = registry.find(name).card
    if choose_runtime(card, settings.runtime, settings.precision, settings.device) == "torch":
        tell_torch(threads)
    return threads


def resolve(asked: str, settings: Settings) -> str:
    """The name of an installed model; a client's word is never taken for a path.

    Raises:
        ModelNotFoundError: no model of this name is installed.

    >>> resolve("compact", Settings())
    'compact'
    """
    name = settings.model if asked == "auto" else asked
    if name == "auto":
        return registry.find("auto").card.name
    there = registry.installed()
    if name not in there:
        shown = name if len(name) <= 100 else f"{name[:97]}..."
        raise ModelNotFoundError(f"model {shown!r} is not installed here; installed are: {', '.join(there)}")
    return name
