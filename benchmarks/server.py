"""The service under load, on loopback: `python benchmarks/server.py [--quick]`.

Needs wrk (`apt install wrk`, `brew install wrk`), which loads from a process of its own. 3 s clips as WAV;
the built-in model, and the large size in int8 with random weights. In the same run, in turns: the library
called directly in one process, and what people write today, a FastAPI route around FunASR's `AutoModel` with
the same weights (`--peer`; without that environment it is left out). The service runs as it is installed,
with its history and its decoding processes; only its queue is longer where the concurrency is higher.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import engine_material as made_of
from benchmarks import material
from benchmarks.engine import Worker
from benchmarks.server_processes import Emotrace, Peer, load
from emotrace.models.cpu import cores, cpu_name, int8_instructions

HERE = Path(__file__).parent
CONCURRENCIES = (1, 8, 32, 128)
CLIPS = 16
SECONDS = 3.0
TIMES = 10
"""What it can do, that overload is at least."""


class Context:
    """What the benches share.

    Args:
        args: of the command line.

    Attributes:
        home: `EMOTRACE_HOME` with the large model in it.
        bodies: multipart bodies.
        clips: the same recordings.
        round: seconds of one measurement.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.quick: bool = args.quick
        self.round = 3.0 if args.quick else 8.0
        self.rounds = 1 if args.quick else 3
        self.folder: Path = args.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clips, self.bodies = clips(self.folder)
        self.peer: Path | None = args.peer if args.peer.exists() else None
        self.home = self.folder / "home"
        self.made = made_of.prepare(args.models, args.size)
        (self.home / "models").mkdir(parents=True, exist_ok=True)
        link = self.home / "models" / self.made.package.name
        if not link.exists():
            link.symlink_to(self.made.package)
        self.models = (("compact", "auto"), (self.made.package.name, "int8"))

    @contextmanager
    def emotrace(self, model: str, precision: str, *flags: str) -> Iterator[Emotrace]:
        """The service, ready, with an empty history."""
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as data,
            Emotrace(self.home, Path(data), model, precision, *flags) as served,
        ):
            load(served, self.bodies, 8, 1.0)
            yield served


def clips(folder: Path) -> tuple[list[Path], list[Path]]:
    """Recordings of 3 s from the shipped sample, and the bodies that upload them."""
    speech, wavs, bodies = material.speech(), [], []
    count = int(SECONDS * 16_000)
    for i in range(CLIPS):
        samples = np.roll(speech, -i * 3000)[:count]
        wavs.append(made_of.write_wav(folder / f"{i}.wav", samples))
        head = '--edge\r\nContent-Disposition: form-data; name="audio"; filename="talk.wav"\r\n\r\n'
        bodies.append(folder / f"{i}.body")
        bodies[-1].write_bytes(head.encode() + wavs[-1].read_bytes() + b"\r\n--edge--\r\n")
    return wavs, bodies


def bench_load(context: Context) -> dict[str, Any]:
    """Throughput and latency at each concurrency."""
    out: dict[str, Any] = {}
    for model, precision in context.models:
        with context.emotrace(model, precision, "--queue", "256") as served:
            for concurrency in CONCURRENCIES:
                out[f"{model}, {concurrency} at a time"] = told(
                    load(served, context.bodies, concurrency, context.round)
                )
    return out


def told(figures: dict[str, Any]) -> str:
    """One line of a load, after looking whether all was answered."""
    assert set(figures["statuses"]) == {"200"}, figures
    return (
        f"{figures['rate']:.1f} per second, p50 {figures['p50']:.0f} ms, p95 {figures['p95']:.0f} ms, "
        f"p99 {figures['p99']:.0f} ms, CPU {figures['cpu_ms']:.1f} ms each"
    )


def bench_library(context: Context) -> dict[str, Any]:
    """At concurrency 8: the service against the library in one process, in turns."""
    out: dict[str, Any] = {}
    for model, precision in context.models:
        # One after another with all cores, and side by side with one core each: whichever is faster.
        libraries = [_library(context, model, precision, workers) for workers in (0, cores())]
        rates: list[list[float]] = [[], [], []]
        cpu: list[list[float]] = [[], [], []]
        try:
            with context.emotrace(model, precision) as served:
                for _ in range(context.rounds):
                    for i, library in enumerate(libraries):
                        found = library.ask(str(context.round))
                        rates[i].append(found["rate"])
                        cpu[i].append(found["cpu_ms"])
                    figures = load(served, context.bodies, 8, context.round)
                    told(figures)
                    rates[2].append(figures["rate"])
                    cpu[2].append(figures["cpu_ms"])
        finally:
            for library in libraries:
                library.close()
        one, side, service = (statistics.median(values) for values in rates)
        out[f"{model}: library, one after another, per second"] = one
        out[f"{model}: library, side by side, per second"] = side
        out[f"{model}: service, 8 at a time, per second"] = service
        out[f"{model}: service by library (aimed at: .75)"] = service / max(one, side)
        out[f"{model}: CPU by library"] = statistics.median(cpu[2]) / min(map(statistics.median, cpu[:2]))
    return out


def _library(context: Context, model: str, precision: str, workers: int) -> Worker:
    command = [sys.executable, str(HERE / "server_library.py"), model, precision, str(workers)]
    return Worker([*command, *map(str, context.clips)], {**os.environ, "EMOTRACE_HOME": str(context.home)})


def bench_peer(context: Context) -> dict[str, Any]:
    """The large size against FastAPI around FunASR, 8 at a time, in turns."""
    if context.peer is None:
        print("no environment of FunASR: `make peer` makes it, and it needs fastapi", file=sys.stderr)
        return {}
    ours, theirs = [], []
    model, precision = context.models[1]
    with (
        context.emotrace(model, precision) as served,
        Peer(context.peer, context.made.checkpoint, cores()) as peer,
    ):
        load(peer, context.bodies, 2, 2.0)
        for _ in range(context.rounds):
            ours.append(load(served, context.bodies, 8, context.round))
            theirs.append(load(peer, context.bodies, 8, context.round * 1.5))
        alone = load(peer, context.bodies, 1, context.round)
    rates = [statistics.median(each["rate"] for each in found) for found in (ours, theirs)]
    return {
        "FunASR, 1 at a time": told(alone),
        "FunASR, 8 at a time": told(theirs[-1]),
        "emotrace, int8, 8 at a time, per second": rates[0],
        "FunASR, 8 at a time, per second": rates[1],
        "times FunASR (aimed at: 5)": rates[0] / rates[1],
    }


def bench_overload(context: Context) -> dict[str, Any]:
    """Ten times what it can do: nothing breaks, and who is let in is answered in time."""
    return {
        f"{model}: {what}": figure
        for model, precision in context.models
        for what, figure in _overload(context, model, precision).items()
    }


def _overload(context: Context, model: str, precision: str) -> dict[str, Any]:
    deadline, connections = 10.0, 512
    flags = ("--deadline-seconds", f"{deadline:g}", "--log-format", "json")
    with context.emotrace(model, precision, *flags) as served:
        rate = load(served, context.bodies, 8, context.round)["rate"]
        pause = connections / (TIMES * 1.3 * rate) * 1000  # and what waits for answers
        memory = [served.rss_mb]
        loads = []
        for _ in range(2):
            loads.append(load(served, context.bodies, connections, context.round * 2, pause_ms=pause))
            memory.append(served.rss_mb)
        lines = [line for line in served.log() if line.get("route") == "/v1/recognitions"]
    offered = sum(each["requests"] for each in loads) / sum(each["seconds"] for each in loads)
    statuses, broken = (
        sum((Counter(each[name]) for each in loads), Counter()) for name in ("statuses", "broken")
    )
    assert offered >= TIMES * rate or context.quick, f"only {offered:.0f} requests a second were offered"
    return {
        "sustainable, per second": rate,
        "offered, per second": offered,
        f"offered, times sustainable ({TIMES} at least)": offered / rate,
        "answers by status": dict(statuses),
        "connections that broke": dict(broken),
        "5xx (aimed at: 0)": sum(line["status"] >= 500 for line in lines),
        f"longest accepted, s (deadline {deadline:g})": max(
            line["ms"] / 1000 for line in lines if line["status"] == 200
        ),
        "RSS before, halfway, after, MB": ", ".join(f"{each:.0f}" for each in memory),
    }


def bench_memory(context: Context) -> dict[str, Any]:
    """RSS of the service and its processes over 5,000 requests."""
    wanted = 300 if context.quick else 5000
    with context.emotrace("compact", "auto") as served:
        done, seen = 0, []
        load(served, context.bodies, 8, context.round)
        first = served.rss_mb
        while done < wanted:
            done += load(served, context.bodies, 8, context.round)["requests"]
            seen.append(served.rss_mb)
    return {
        "requests": done,
        "RSS before, MB": first,
        "RSS after, MB": seen[-1],
        "growth, % (aimed at: 5)": (seen[-1] / first - 1) * 100,
    }


BENCHES: dict[str, Callable[[Context], dict[str, Any]]] = {
    "library": bench_library,
    "peer": bench_peer,
    "load": bench_load,
    "overload": bench_overload,
    "memory": bench_memory,
}


def main() -> None:
    """Run and print."""
    root = HERE.parent
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--size", choices=made_of.SIZES, default="large")
    parser.add_argument("--peer", type=Path, default=root / ".venv-peer" / "bin" / "python")
    temporary = Path(tempfile.gettempdir())
    parser.add_argument("--folder", type=Path, default=temporary / "emotrace-server")
    parser.add_argument("--models", type=Path, default=temporary / "emotrace-engine")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("this needs wrk: apt install wrk")
    context = Context(args)
    figures: dict[str, Any] = {
        "machine": {"CPU": cpu_name(), "instructions": int8_instructions(), "cores": cores()}
    }
    for name in args.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures[name] = BENCHES[name](context)
    from benchmarks.engine import table

    print(table(figures))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
