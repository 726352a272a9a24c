"""Latency of live streams side by side: ``python benchmarks/stream.py [--data ../shared/data] [--limit]``.

A service in a process of its own, over loopback; this process is the load. Each stream sends real speech in
real time, a frame each 100 ms. The latency of an answer is the time from sending the frame that holds the
last sample that the answer covers until the answer is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import material
from benchmarks.process import emotrace
from benchmarks.run import commit, machine
from emotrace.audio import load

RATE = 16_000
FRAME = RATE // 10
PAUSE = 0.8
TARGET_MS = 300.0


@dataclass
class Measured:
    """What one stream saw.

    Attributes:
        latencies: seconds, by the type of the answer.
        late: seconds that its latest frame was sent after its time: of the load, not of the service.
    """

    latencies: dict[str, list[float]] = field(default_factory=dict)
    late: float = 0.0


def speech(data: Path | None) -> NDArray[np.int16]:
    """Minutes of speech: utterances of EMO-DB with pauses between them; else the shipped sample."""
    files = sorted((data / "emodb").rglob("*.flac"))[:200] if data else []
    pause = np.zeros(round(PAUSE * RATE), np.float32)
    parts = [part for file in files for part in (load(file).samples, pause)] or [material.speech(RATE)]
    return (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2")


@contextmanager
def service(streams: int) -> Iterator[tuple[str, int]]:
    """URL and process id of a running service."""
    with tempfile.TemporaryDirectory() as folder:
        options = ("--port", "0", "--streams", str(streams), "--preload", "--data-dir", folder)
        with subprocess.Popen(emotrace("serve", *options), stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    if found := re.search(r"listening on http(://[^\s;,]+)", line):
                        break
                else:
                    raise RuntimeError("the service did not start")
                drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
                time.sleep(3)  # the model is loaded
                yield f"ws{found[1]}", process.pid
            finally:
                process.terminate()
                process.wait(60)
                drain.terminate()


async def play(url: str, sound: NDArray[np.int16], begin: float, seconds: float, options: Any) -> Measured:
    """One stream, in real time."""
    measured = Measured()
    sent: list[float] = []
    async with connect(f"{url}/v1/stream", max_size=None) as socket:
        await socket.send(json.dumps({"sampling_rate": RATE, "store": False, **options}))
        answer = json.loads(await socket.recv())
        if answer["type"] != "session.started":
            raise RuntimeError(answer)
        listening = asyncio.ensure_future(listen(socket, sent, measured))
        await asyncio.sleep(max(0.0, begin - time.perf_counter()))
        for i in range(round(seconds * RATE / FRAME)):
            due = begin + (i + 1) * FRAME / RATE  # a microphone has a frame when it has ended
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = i * FRAME % (len(sound) - FRAME)
            now = time.perf_counter()
            measured.late = max(measured.late, now - due)
            sent.append(now)
            await socket.send(sound[start : start + FRAME].tobytes())
        sent.append(time.perf_counter())
        await socket.send('{"type": "end"}')
        await listening
    return measured


async def listen(socket: ClientConnection, sent: list[float], measured: Measured) -> None:
    """Take the answers until the last."""
    async for message in socket:
        now = time.perf_counter()
        answer = json.loads(message)
        kind = answer["type"]
        if kind == "error":
            raise RuntimeError(answer)
        if kind == "recognition":
            covered = len(sent) - 1
        else:
            heard = answer["time"] if kind == "emotion" else answer["heard"]
            covered = int(np.ceil(round(heard * RATE) / FRAME)) - 1
        measured.latencies.setdefault(kind, []).append(now - sent[min(covered, len(sent) - 1)])


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(
    url: str, pid: int, sound: NDArray[np.int16], count: int, seconds: float, options: Any
) -> dict[str, Any]:
    """So many streams at the same time."""
    begin = time.perf_counter() + 1.0 + 0.02 * count
    rng = np.random.default_rng(0)
    cpu = cpu_seconds(pid)
    streams = [
        play(url, np.roll(sound, -rng.integers(len(sound))), begin + rng.uniform(0, 1), seconds, options)
        for _ in range(count)
    ]
    load_before, found = os.getloadavg()[0], await asyncio.gather(*streams)
    used = (cpu_seconds(pid) - cpu) / seconds
    kinds = sorted({kind for measured in found for kind in measured.latencies})
    table = {
        kind: summary([x for measured in found for x in measured.latencies.get(kind, [])]) for kind in kinds
    }
    every = summary([x for measured in found for values in measured.latencies.values() for x in values])
    return {
        "streams": count,
        "all answers": every,
        **table,
        "cores used by the service": round(used, 2),
        "latest frame of the load, ms": round(1000 * max(m.late for m in found), 1),
        "load of the machine before": round(load_before, 2),
    }


def summary(seconds: list[float]) -> dict[str, float]:
    """Count and percentiles in milliseconds."""
    values = 1000 * np.array(seconds)
    found = {f"p{p}": round(float(np.percentile(values, p)), 1) for p in (50, 95, 99)}
    return {"count": len(values), **found, "max": round(float(values.max()), 1)}


def main() -> None:
    """Measure and print; go on to more streams until the answers are late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the shared recordings; else the shipped sample")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 20], help="at the same time")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--limit", action="store_true", help="and how many until p95 is over 300 ms")
    parser.add_argument("--options", type=json.loads, default={}, help="JSON for the configuration message")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sound = speech(args.data)
    results: dict[str, Any] = {"machine": machine(), "commit": commit(), "options": args.options, "runs": []}
    counts = list(args.streams)
    with service(2 * 4096) as (url, pid):
        while counts:
            count = counts.pop(0)
            result = asyncio.run(measure(url, pid, sound, count, args.seconds, args.options))
            results["runs"].append(result)
            print(json.dumps(result, indent=1), flush=True)
            if args.limit and not counts and result["all answers"]["p95"] <= TARGET_MS:
                counts = [count + 10]
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
