"""A command with all processes below it, watched from outside. Linux only."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 0.2
"""Seconds between two looks at the memory."""


@dataclass
class Watched:
    """What was seen.

    Attributes:
        wall: seconds from start to end.
        busy: share of all cores that was busy, in the whole machine: it has to be quiet.
        pss_mb: peak of the memory of all processes, shared pages shared out.
        rss_mb: the same, shared pages counted in each process.
        progress: of the lines of ``--progress json``: seconds since the start, inputs that were done.
        total: inputs.
    """

    wall: float = 0.0
    busy: float = 0.0
    pss_mb: float = 0.0
    rss_mb: float = 0.0
    progress: list[tuple[float, int]] = field(default_factory=list)
    total: int = 0

    @property
    def steady(self) -> float:
        """Inputs per second between the first and the last line of progress."""
        seen = [(at, done) for at, done in self.progress if done]
        if len(seen) < 2 or seen[-1][0] <= seen[0][0]:
            return float("nan")
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


def watch(command: Sequence[str], until: Callable[[Watched], bool] = lambda _: False) -> Watched:
    """Run a command to its end.

    Args:
        command: ``emotrace batch ... --progress json``, or any other.
        until: asked after each line of progress; true kills it.

    Raises:
        RuntimeError: it failed.
    """
    seen = Watched()
    begin, cpu = time.perf_counter(), _cpu()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ended = threading.Event()
    looking = threading.Thread(target=_look, args=[process.pid, seen, ended])
    looking.start()
    said: list[str] = []
    killed = False
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if line.startswith('{"progress"'):
            record = json.loads(line)["progress"]
            seen.total = record["total"]
            seen.progress.append((time.perf_counter() - begin, record["done"]))
            if not killed and until(seen):
                killed = True
                process.kill()
    process.wait()
    seen.wall = time.perf_counter() - begin
    ended.set()
    looking.join()
    now = _cpu()
    seen.busy = (now[0] - cpu[0]) / max(1, now[1] - cpu[1])
    if process.returncode and not killed:
        raise RuntimeError(f"{command} failed with {process.returncode}: {''.join(said[-5:])}")
    return seen


def _cpu() -> tuple[int, int]:
    """Busy and all ticks of all cores so far."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _look(pid: int, seen: Watched, ended: threading.Event) -> None:
    while not ended.wait(EVERY):
        sizes = [_memory(each) for each in _below(pid)]
        seen.pss_mb = max(seen.pss_mb, sum(pss for pss, _ in sizes))
        seen.rss_mb = max(seen.rss_mb, sum(rss for _, rss in sizes))


def _below(pid: int) -> list[int]:
    found = [pid]
    for each in found:  # grows meanwhile
        with suppress(OSError):
            tasks = list(Path(f"/proc/{each}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return found


def _memory(pid: int) -> tuple[float, float]:
    """PSS and RSS in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
    return sizes.get("Pss", 0.0), sizes.get("Rss", 0.0)
