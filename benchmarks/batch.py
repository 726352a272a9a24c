"""Batches: `python benchmarks/batch.py [--quick] [--only PART ...] [--out FILE]`.

- profile: what a clip costs with the built-in model on one thread: decoding, model, checks, the rest; and how
  many times faster than the obvious loop all cores could be at best.
- corpora: all clips of EMO-DB, RAVDESS and nEMO with the built-in model, whole commands, against the obvious
  loop. That is what a first script does: one process, ``Recognizer()`` made once, then for one file after the
  other ``librosa.load(path, sr=16000)`` and ``recognize((samples, 16000))``; nothing is checked or written.
  It is timed on a part of the clips without its start, and compared by its rate.
- large: 300 clips with an int8 model of the large size (random weights), against FunASR's list (`make peer`).
- ray: Ray on this machine against the local engine, whole and between first and last result.
- tiny: many tiny files: until they are listed, until the first result, peak memory.

The machine has to be quiet: how busy the cores are is seen from outside. All take under 20 minutes on two.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.process import emotrace
from benchmarks.tree import Watched, watch

CORPORA = ("emodb", "ravdess", "nemo")
PEER = Path(__file__).with_name("engine_peer.py")


class Context:
    """What the parts share.

    Args:
        args: of the command line.
        folder: for what is made.
    """

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder, self.quick = args, folder, bool(args.quick)
        self.peer: Path | None = args.peer if args.peer.exists() else None
        self.figures: dict[str, Any] = {}

    def clips(self, count: int | None = None) -> list[tuple[Path, float]]:
        """Real clips and their seconds: all, or so many from everywhere."""
        found: list[tuple[Path, float]] = []
        for folder in (self.args.data / corpus for corpus in CORPORA):
            with (folder / "manifest.csv").open(newline="") as file:
                rows = csv.DictReader(file)
                found += [(folder / row["path"], float(row["duration_s"])) for row in rows]
        if count is None or count >= len(found):
            return found
        return [found[i] for i in np.linspace(0, len(found) - 1, count).astype(int)]

    def listed(self, name: str, clips: list[tuple[Path, float]]) -> Path:
        """A list of clips."""
        path = self.folder / f"{name}.txt"
        path.write_text("".join(f"{clip}\n" for clip, _ in clips))
        return path

    def batch(self, source: Path, *options: str, **watching: Any) -> Watched:
        """Run ``emotrace batch`` into a new folder."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        command = emotrace("batch", str(source), "--out", str(out), "--progress", "json", *options)
        return watch(command, **watching)


_LOOP = """
import sys, time
import librosa
from emotrace import Recognizer
names = open(sys.argv[1]).read().splitlines()
recognizer = Recognizer()
for name in names[:3]:
    recognizer.recognize((librosa.load(name, sr=16000)[0], 16000))
start = time.perf_counter()
for name in names:
    samples, rate = librosa.load(name, sr=16000)
    recognizer.recognize((samples, rate))
print(len(names) / (time.perf_counter() - start))
"""


def obvious_loop(context: Context) -> float:
    """Clips per second of the obvious loop."""
    if "loop" not in context.figures:
        names = context.listed("loop", context.clips(60 if context.quick else 800))
        runs = [
            subprocess.run(
                [sys.executable, "-c", _LOOP, str(names)], capture_output=True, text=True, check=True
            ).stdout
            for _ in range(1 if context.quick else 3)
        ]
        context.figures["loop"] = statistics.median(map(float, runs))
    return float(context.figures["loop"])


def part_profile(context: Context) -> dict[str, Any]:
    """What one clip costs."""
    from emotrace.audio import load
    from emotrace.models.cpu import cores
    from emotrace.pipeline import PipelineOptions, analyse
    from emotrace.recognition import Recognizer
    from emotrace.results import Signal

    clips = [clip for clip, _ in context.clips(40 if context.quick else 300)]
    recognizer = Recognizer("compact", threads=1)
    plain, checked = PipelineOptions.of(checks=False), PipelineOptions()
    loaded: list[Signal] = [load(clip) for clip in clips]
    works: dict[str, Callable[[int], object]] = {
        "decoding": lambda i: load(clips[i]),
        "model": lambda i: recognizer.encoder.encode([loaded[i].samples]),
        "all, without checks": lambda i: analyse(recognizer, clips[i], plain),
        "all, with checks": lambda i: analyse(recognizer, clips[i], checked),
    }
    spent: dict[str, float] = {}
    for name, work in works.items():
        work(0)
        begin = time.process_time()
        for i in range(len(clips)):
            work(i)
        spent[name] = (time.process_time() - begin) / len(clips)
    spent["the rest"] = spent["all, without checks"] - spent["decoding"] - spent["model"]
    spent["signal checks"] = spent["all, with checks"] - spent["all, without checks"]
    loop = obvious_loop(context)
    return {
        **{f"{name}, CPU ms a clip": value * 1000 for name, value in spent.items()},
        "obvious loop, ms a clip": 1000 / loop,
        "times the loop if the cores did nothing but the model": cores() / spent["model"] / loop,
        "times the loop if the cores did nothing but all of it": cores()
        / spent["all, without checks"]
        / loop,
    }


def part_corpora(context: Context) -> dict[str, Any]:
    """All clips, built-in model."""
    clips = context.clips(200 if context.quick else None)
    hours, loop = sum(seconds for _, seconds in clips) / 3600, obvious_loop(context)
    names = context.listed("corpora", clips)
    out: dict[str, Any] = {"clips": len(clips), "hours": hours, "obvious loop, files/s": loop}
    for what, options in (("with checks", ()), ("without checks", ("--no-checks",))):
        runs = [context.batch(names, *options) for _ in range(1 if context.quick else 3)]
        out |= {f"{what}: {name}": value for name, value in _figures(runs, len(clips), hours).items()}
        out[f"{what}: times the obvious loop"] = out[f"{what}: files/s"] / loop
    return out


def _figures(runs: list[Watched], clips: int, hours: float) -> dict[str, float]:
    wall = statistics.median(run.wall for run in runs)
    return {
        "whole command, s": wall,
        "files/s": clips / wall,
        "hours of sound an hour": hours * 3600 / wall,
        "both cores busy": statistics.median(run.busy for run in runs),
        "peak memory, MB": max(run.pss_mb for run in runs),
        "peak memory with shared pages in each process, MB": max(run.rss_mb for run in runs),
    }


def part_large(context: Context) -> dict[str, Any]:
    """int8 large size against FunASR."""
    from benchmarks import engine_material as made_of
    from emotrace.models.cpu import cores

    made = made_of.prepare(context.args.models, context.args.size)
    count = 10 if context.quick else 300
    files, seconds, what = made_of.recordings(made, context.args.data, count)
    names = context.listed("large", [(path, 0.0) for path in files])
    model = ("--model", str(made.package), "--precision", "int8", "--no-checks")
    runs = [context.batch(names, *model) for _ in range(1 if context.quick else 3)]
    out: dict[str, Any] = {"clips": f"{count} ({what}), {seconds:.0f} s"}
    out |= _figures(runs, count, seconds / 3600)
    if context.peer:
        command = [str(context.peer), str(PEER), str(made.checkpoint), str(cores()), "list", str(names)]
        theirs = watch(command)
        out |= {f"FunASR: {name}": value for name, value in _figures([theirs], count, seconds / 3600).items()}
        out["times FunASR"] = out["files/s"] / out["FunASR: files/s"]
    else:
        print(f"no {context.args.peer}: `make peer` makes it; FunASR is left out", file=sys.stderr)
    return out


def part_ray(context: Context) -> dict[str, Any]:
    """Ray against the local engine."""
    clips = context.clips(200 if context.quick else 3000)
    names = context.listed("ray", clips)
    out: dict[str, Any] = {"clips": len(clips)}
    seen: dict[str, list[Watched]] = {"local": [], "ray": []}
    for _ in range(1 if context.quick else 3):
        for engine, runs in seen.items():
            runs.append(context.batch(names, "--engine", engine))
    for engine, runs in seen.items():
        out[f"{engine}: whole command, files/s"] = statistics.median(len(clips) / run.wall for run in runs)
        out[f"{engine}: from first to last result, files/s"] = statistics.median(run.steady for run in runs)
        out[f"{engine}: both cores busy"] = statistics.median(run.busy for run in runs)
        out[f"{engine}: peak memory, MB"] = max(run.pss_mb for run in runs)
    for which in ("whole command", "from first to last result"):
        out[f"ray, share of local: {which}"] = out[f"ray: {which}, files/s"] / out[f"local: {which}, files/s"]
    return out


def part_tiny(context: Context) -> dict[str, Any]:
    """Many tiny files, until the first results."""
    count = 2_000 if context.quick else 100_000
    folder = context.folder / "tiny"
    sound = _tone()
    for number in range(count):
        place = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        (place / f"{number}.wav").write_bytes(sound)
    seen = context.batch(folder, "--no-checks", until=lambda so_far: so_far.progress[-1][1] > 0)
    shutil.rmtree(folder)
    return {
        "files": seen.total,
        "listed after, s": seen.progress[0][0],
        "first results seen after, s": seen.progress[-1][0],
        "peak memory so far, MB": seen.pss_mb,
    }


def _tone() -> bytes:
    with tempfile.TemporaryFile() as file:
        with wave.open(file, "wb") as writer:
            writer.setparams((1, 2, 16_000, 0, "NONE", ""))
            writer.writeframes((np.sin(np.arange(3200) / 5) * 9000).astype("<i2").tobytes())
        file.seek(0)
        return file.read()


PARTS: dict[str, Callable[[Context], dict[str, Any]]] = {
    "profile": part_profile,
    "corpora": part_corpora,
    "large": part_large,
    "ray": part_ray,
    "tiny": part_tiny,
}


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Markdown."""
    yield "| what | figure |\n|---|---|"
    for part, values in figures.items():
        for name, value in values.items() if isinstance(values, dict) else ():
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            yield f"| {part}: {name} | {shown} |"


def main() -> None:
    """Run and print."""
    from emotrace.models.cpu import cores, cpu_name

    root = Path(__file__).parents[1]
    data = os.environ.get("EMOTRACE_TEST_DATA", str(root.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run: few clips, each once")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--size", choices=("large", "base", "tiny"), default="large", help="of part large")
    parser.add_argument("--peer", type=Path, default=root / ".venv-peer" / "bin" / "python")
    parser.add_argument("--data", type=Path, default=Path(data))
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "emotrace-engine")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = Context(args, Path(folder))
        context.figures["machine"] = {"CPU": cpu_name(), "cores": cores()}
        for name in args.only:
            print(f"{name} ...", file=sys.stderr)
            begin = time.perf_counter()
            context.figures[name] = PARTS[name](context)
            print(f"... {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    print("\n".join(table(context.figures)))
    if args.out:
        args.out.write_text(json.dumps(context.figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
