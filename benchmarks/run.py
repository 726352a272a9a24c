"""The measurements of docs/benchmarks.md.

``python benchmarks/run.py [--only NAME ...] [--out FILE]``: start, cold, speed, long, decode.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import material
from benchmarks.process import emotrace, median, python, run

HEAVY = ("torch", "onnxruntime", "numpy", "av", "soxr", "pydantic", "fastapi", "gradio", "matplotlib")


def machine() -> str:
    """CPU, cores and Python."""
    name = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        name = next(
            (x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x), name
        )
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def commit() -> str:
    """Short hash of the checkout."""
    result = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or "unknown"


def bench_start(_: Path) -> dict[str, Any]:
    """`emotrace --help`, `import emotrace`, and what they load."""
    show = f"import sys, emotrace; print([m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run(python(show), capture_output=True, text=True, check=True).stdout.strip()
    helped = (
        "import sys, runpy; sys.argv = ['emotrace', '--help']\n"
        "try:\n from emotrace.cli.app import main; main()\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    by_help = subprocess.run(python(helped), capture_output=True, text=True, check=True).stderr.strip()
    return {
        "python -c pass, s": median(python("pass"), 11).wall,
        "import emotrace, s": median(python("import emotrace"), 11).wall,
        "emotrace --help, s": median(emotrace("--help"), 11).wall,
        "heavy modules after import": loaded,
        "heavy modules after --help": by_help.splitlines()[-1],
    }


def bench_cold(folder: Path) -> dict[str, Any]:
    """`emotrace analyze` of a 5 s clip, whole process."""
    clip = material.encode(folder / "five.wav", material.speech(), 16_000, "pcm_s16le", 5.0)
    result = median(emotrace("analyze", str(clip), "--json"), 7)
    return {"wall, s": result.wall, "cpu, s": result.cpu, "peak RSS, MB": result.rss_mb}


def bench_speed(folder: Path) -> dict[str, Any]:
    """Real-time factor of the built-in model on one core, and the shares of decode, features and model."""
    import onnxruntime

    from emotrace import Recognizer
    from emotrace.audio import load

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        clip = material.encode(folder / "clip.m4a", material.speech(44_100), 44_100, "aac", 8.0)
        recognizer = Recognizer(threads=1)
        recognizer.recognize(clip)
        seconds = recognizer.recognize(clip).duration
        timed: dict[str, list[float]] = {"whole": [], "decode": [], "encode": [], "track": []}
        samples = load(clip).samples
        for _ in range(15):
            for name, work in (
                ("whole", lambda: recognizer.recognize(clip)),
                ("decode", lambda: load(clip)),
                ("encode", lambda: recognizer.encoder.encode([samples])),
                ("track", lambda: recognizer.recognize(clip, frames=True)),
            ):
                started = time.perf_counter()
                work()
                timed[name].append(time.perf_counter() - started)
        middle = {name: statistics.median(values) for name, values in timed.items()}
        share = _front_end_share(recognizer, samples, folder)
    finally:
        os.sched_setaffinity(0, cores)
    return {
        "onnxruntime": onnxruntime.__version__,
        "clip": f"{seconds:.1f} s, M4A 44.1 kHz",
        "real-time factor": middle["whole"] / seconds,
        "real-time factor with frames": middle["track"] / seconds,
        "share of decode": middle["decode"] / middle["whole"],
        "share of features": middle["encode"] * share / middle["whole"],
        "share of model": middle["encode"] * (1 - share) / middle["whole"],
    }


def _front_end_share(recognizer: Any, samples: Any, folder: Path) -> float:
    """Share of the front end in the graph's time, by ONNX Runtime's own profile."""
    import onnxruntime

    package = recognizer.encoder._package
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(package.file(package.card.graphs["fp32"]), options)
    feed = {
        "waveform": samples[None],
        "reference": np.zeros((1, package.card.reference_size), np.float32),
        "has_reference": np.zeros((1, 1), np.float32),
    }
    for _ in range(5):
        session.run(None, feed)
    events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
    total = sum(float(e["dur"]) for e in nodes)
    return 1.0 - sum(float(e["dur"]) for e in nodes if "networks." in e["name"]) / total


def bench_long(folder: Path) -> dict[str, Any]:
    """60 minutes and 3 hours of MP3 and M4A (44.1 kHz), frames and segments, whole process.

    FFmpeg holds the index of an M4A in memory, some megabytes for each hour; an MP3 has none.
    """
    out: dict[str, Any] = {}
    for kind, codec in (("mp3", "libmp3lame"), ("m4a", "aac")):
        for minutes, runs in ((60, 3), (180, 1)):
            path = folder / f"long-{minutes}.{kind}"
            material.encode(path, material.speech(44_100), 44_100, codec, minutes * 60)
            command = emotrace("analyze", str(path), "--granularity", "frame", "--json")
            results = [run(command) for _ in range(runs)]
            for figure, unit in (("wall", "s"), ("cpu", "s"), ("rss_mb", "MB")):
                middle = statistics.median(getattr(r, figure) for r in results)
                out[f"{kind}, {minutes} min: {figure}, {unit}"] = middle
        ratio = out[f"{kind}, 180 min: rss_mb, MB"] / out[f"{kind}, 60 min: rss_mb, MB"]
        out[f"{kind}: RSS, 180 min / 60 min"] = ratio
    return out


def bench_decode(folder: Path) -> dict[str, Any]:
    """Decode and resample against librosa.load (16 kHz mono): same files, one process, first in turn."""
    import librosa

    from emotrace.audio import load

    loaders: dict[str, Callable[[Path], Any]] = {
        "ours": lambda path: load(path).samples,
        "theirs": lambda path: librosa.load(path, sr=16_000)[0],
    }
    out: dict[str, Any] = {"librosa": metadata.version("librosa")}
    for name, codec in (("mp3", "libmp3lame"), ("m4a", "aac"), ("flac", "flac")):
        mono = material.encode(folder / f"minute.{name}", material.speech(44_100), 44_100, codec, 60.0)
        for kind, path in (("mono", mono), ("stereo", _stereo(mono, codec))):
            samples = {who: loader(path) for who, loader in loaders.items()}
            wall: dict[str, list[float]] = {who: [] for who in loaders}
            cpu: dict[str, list[float]] = {who: [] for who in loaders}
            for turn in range(12):
                for who in sorted(loaders, reverse=turn % 2 == 1):
                    started, used = time.perf_counter(), _cpu_seconds()
                    loaders[who](path)
                    wall[who].append(time.perf_counter() - started)
                    cpu[who].append(_cpu_seconds() - used)
            for clock, timed in (("time", wall), ("CPU time", cpu)):
                ours, theirs = statistics.median(timed["ours"]), statistics.median(timed["theirs"])
                out[f"{name} {kind}: {clock}, ms per minute of sound"] = 1000 * ours
                out[f"{name} {kind}: librosa's {clock} / ours"] = theirs / ours
            difference = _difference_db(samples["ours"], samples["theirs"])
            out[f"{name} {kind}: difference, dB under the signal"] = difference
    return out


def _stereo(mono: Path, codec: str) -> Path:
    """The recording as a second microphone would add to it: later and weaker."""
    path = mono.with_name(f"stereo-{mono.name}")
    if not path.exists():
        mix = "asplit[a][b];[b]adelay=7,volume=0.7[c];[a][c]join=inputs=2:channel_layout=stereo"
        command = ["ffmpeg", "-v", "error", "-i", str(mono), "-af", mix, "-c:a", codec, str(path)]
        subprocess.run(command, check=True)
    return path


def _cpu_seconds() -> float:
    """CPU time of this process and of the ones it started, such as librosa's ffmpeg."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _difference_db(ours: Any, theirs: Any) -> float:
    """Level of the difference under the signal, after the best shift (codecs pad differently)."""
    best = 0.0
    n = min(len(ours), len(theirs)) - 4000
    for shift in range(-2000, 2001):
        a = ours[2000 : 2000 + n : 1][:32_000]
        b = theirs[2000 + shift : 2000 + shift + len(a)]
        best = max(best, float(10 * np.log10(np.sum(a**2) / (np.sum((a - b) ** 2) + 1e-12))))
    return best


BENCHES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "start": bench_start,
    "cold": bench_cold,
    "speed": bench_speed,
    "long": bench_long,
    "decode": bench_decode,
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "emotrace-bench")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"machine": machine(), "commit": commit()}
    print(json.dumps(figures))
    for name in args.only:
        figures[name] = BENCHES[name](args.folder)
        print(json.dumps({name: figures[name]}, indent=2), flush=True)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
