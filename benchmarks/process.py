"""Whole processes, timed from outside."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
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


# A process of its own between: a child starts as a copy of its parent, whose memory would count as its peak.
_WRAPPER = """
import json, os, subprocess, sys, time
started = time.perf_counter()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL) as process:
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([process.returncode, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def run(command: Sequence[str]) -> Run:
    """Run a command to its end, its output thrown away.

    Raises:
        RuntimeError: it failed.
    """
    wrapped = [sys.executable, "-I", "-S", "-c", _WRAPPER, *command]
    done = subprocess.run(wrapped, capture_output=True, text=True, check=True)
    code, wall, cpu, rss = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{command} failed with {code}: {done.stderr}")
    return Run(wall, cpu, rss)


def median(command: Sequence[str], runs: int = 5) -> Run:
    """Median of several runs, after one that is not counted."""
    run(command)
    results = [run(command) for _ in range(runs)]
    return Run(*(statistics.median(getattr(r, f) for r in results) for f in ("wall", "cpu", "rss_mb")))


def python(code: str) -> list[str]:
    """A command that runs some Python."""
    return [sys.executable, "-c", code]


def emotrace(*arguments: str) -> list[str]:
    """The installed command beside this Python."""
    return [os.path.join(os.path.dirname(sys.executable), "emotrace"), *arguments]  # noqa: PTH118, PTH120
