"""Time in tests: a clock that is put forward by hand, and waiting for what other threads do."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Stands still until ``now`` is changed; called as ``time.monotonic`` is."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)
