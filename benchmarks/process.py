"""Whole processes, timed from outside."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One finished process.

    Attributes:
        wall: seconds.
        cpu: user and system seconds.
        rss_mb: peak resident memory in MB.
    """

    wall: float
    cpu: float
    rss_mb: float


def run(command: Sequence[str], env: dict[str, str] | None = None) -> Run:
    """Run a command to its end, its output thrown away.

    Raises:
        RuntimeError: it failed.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(env or {})}
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed with {process.returncode}: {said.decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(command: Sequence[str], runs: int = 5, env: dict[str, str] | None = None) -> Run:
    """Median of several runs, after one that is not counted."""
    run(command, env)
    results = [run(command, env) for _ in range(runs)]
    return Run(*(statistics.median(getattr(r, f) for r in results) for f in ("wall", "cpu", "rss_mb")))


def python(code: str) -> list[str]:
    """A command that runs some Python."""
    return [sys.executable, "-c", code]


def emotrace(*arguments: str) -> list[str]:
    """The installed command beside this Python."""
    return [os.path.join(os.path.dirname(sys.executable), "emotrace"), *arguments]  # noqa: PTH118, PTH120
