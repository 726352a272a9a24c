"""Parts of `benchmarks/engine_cuda.py` that go a user's way, and those that say where time is spent."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

import emotrace
from emotrace.errors import EmotraceError
from emotrace.models.package import ModelPackage
from emotrace.models.runtime import OnnxEncoder

if TYPE_CHECKING:
    from benchmarks.engine_cuda_engines import Engine, Prepared

Tell = Callable[[str, Any], None]

CHOICES: dict[str, dict[str, Any]] = {
    "onnxruntime": {"runtime": "onnxruntime"},
    "torch fp32": {"runtime": "torch"},
    "torch bf16": {"precision": "bf16"},
}
FILES = 256


def files(made: Prepared) -> list[Path]:
    """Recordings of 2 to 15 s as WAV, real speech where it was given."""
    from benchmarks.engine_cuda_engines import speech
    from benchmarks.engine_material import write_wav

    folder = made.package.parent / "files"
    folder.mkdir(exist_ok=True)
    whole, rng = speech(made, 600.0), np.random.default_rng(1)
    for i in range(FILES):
        length = int(16_000 * rng.uniform(2, 15))
        start = int(rng.integers(len(whole) - length))
        if not (path := folder / f"{i:04}.wav").exists():
            write_wav(path, whole[start : start + length])
    return sorted(folder.glob("*.wav"))


def recognizer(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """`recognize` and `recognize_many` on the device, and FunASR's `generate` on the same files."""
    paths: list[Any] = list(files(made))
    seconds = sum((path.stat().st_size - 44) / 32_000 for path in paths)
    tell("files", f"{len(paths)}, {seconds:.0f} s")
    for name, choice in CHOICES.items():
        try:
            ready = emotrace.Recognizer(str(made.package), device=made.device, **choice)
            one = ready.recognize(paths[0])
            tell(f"{name}: model of the result", str(one.model))
            ready.encoder.encode([np.zeros(240_000, np.float32)] * 16)
            for checked in (True, False):
                runs = []
                for _ in range(1 if quick else 3):
                    started = time.perf_counter()
                    found = list(ready.recognize_many(paths, quality=checked))
                    runs.append(time.perf_counter() - started)
                assert all(isinstance(result, emotrace.Recognition) for result in found), found[0]
                middle = statistics.median(runs)
                tell(
                    f"{name}: {'with' if checked else 'without'} signal checks, files/s",
                    round(len(paths) / middle, 1),
                )
            sounds = [np.asarray(emotrace.audio.load(path).samples) for path in paths]
            started = time.perf_counter()
            ready.encoder.encode(sounds)
            tell(
                f"{name}: decoded sounds in one call of the encoder, files/s",
                round(len(paths) / (time.perf_counter() - started), 1),
            )
        except Exception as error:  # noqa: PERF203 (three of them)
            tell(f"{name}: failed", f"{type(error).__name__}: {str(error)[:400]}")
    if "funasr" in engines:
        from benchmarks.engine_peer import load

        model = load(str(made.checkpoint), os.cpu_count() or 1, made.device)
        for _ in range(2):
            started = time.perf_counter()
            model.generate([str(path) for path in paths], granularity="utterance", extract_embedding=False)
            taken = time.perf_counter() - started
        tell("funasr: files/s", round(len(paths) / taken, 1))


def service(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """The service's recognizer under 64 threads: what is asked at the same time shares a batch."""
    from emotrace.server.models import load_recognizer
    from emotrace.server.settings import Settings

    paths = files(made)
    for name, choice in CHOICES.items():
        metrics = mock.Mock()
        settings = Settings(**{"device": made.device, **choice})
        try:
            recognize = load_recognizer(str(made.package), settings, metrics).recognize
        except EmotraceError as error:
            tell(f"{name}: failed", str(error))
            continue
        with ThreadPoolExecutor(64) as pool:
            started = time.perf_counter()
            found = list(pool.map(partial(recognize, quality=False), paths))
            taken = time.perf_counter() - started
        sizes = [call.args[1] for call in metrics.encoded.call_args_list]
        tell(
            name,
            {
                "device": found[0].model.device,
                "files/s": round(len(paths) / taken, 1),
                "batches": len(sizes),
                "largest batch": max(sizes, default=0),
            },
        )


def command(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """`emotrace analyze --device` on a file, on a machine with the device and on one without."""
    path = str(files(made)[0])
    program = [sys.executable, "-c", "import sys; from emotrace.cli.app import main; sys.exit(main())"]
    base = [*program, "analyze", path, "--model", str(made.package), "--json"]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    for name, more, environment in (
        ("onnxruntime", ["--device", made.device], dict(os.environ)),
        ("auto", [], dict(os.environ)),
        ("bf16", ["--device", made.device, "--precision", "bf16"], dict(os.environ)),
        ("onnxruntime, no GPU to be seen", ["--device", "cuda"], hidden),
        ("bf16, no GPU to be seen", ["--device", "cuda", "--precision", "bf16"], hidden),
    ):
        started = time.perf_counter()
        done = subprocess.run([*base, *more], capture_output=True, text=True, check=False, env=environment)
        said: dict[str, Any] = {
            "exit code": done.returncode,
            "seconds": round(time.perf_counter() - started, 2),
        }
        if done.returncode == 0:
            said["model"] = json.loads(done.stdout.splitlines()[0])["model"]
        else:
            said["told"] = (done.stderr or done.stdout)[-400:]
        tell(name, said)


def nodes(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """Which operators ONNX Runtime leaves on the CPU, and where the time goes, by its profile."""
    import onnxruntime

    from benchmarks.engine_cuda_engines import speech

    encoder = OnnxEncoder(ModelPackage(made.package), device=made.device, precision="fp32")
    start = onnxruntime.InferenceSession
    graphs = {"onnxruntime": None, "onnxruntime whole": made.whole}
    for name, graph in graphs.items():

        def profiled(path: Any, options: Any, **how: Any) -> Any:
            options.enable_profiling = True
            options.profile_file_prefix = str(made.package.parent / "profile")
            return start(path, options, **how)

        with mock.patch.object(onnxruntime, "InferenceSession", profiled):
            session = encoder._make_session(str(graph or made.package / encoder._graph))
        clips = np.stack([speech(made, 10.0)] * 4)
        for _ in range(3):
            session.run(["logits"], {"waveform": clips, "samples": np.array([clips.shape[1]] * 4)})
        path = Path(session.end_profiling())
        count: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        for event in json.loads(path.read_text()):
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                where = event["args"].get("provider", "?").removesuffix("ExecutionProvider")
                what = f"{where} {event['args']['op_name']}"
                count[what] += 1
                spent[what] += event["dur"]
        path.unlink()
        tell(f"{name}: operators a run", {what: n // 3 for what, n in count.most_common()})
        tell(f"{name}: host ms a run", {what: round(t / 3000, 2) for what, t in spent.most_common(14)})


def kernels(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """The GPU's own time by kernel."""
    import torch

    from benchmarks.engine_cuda_engines import speech

    activities = [torch.profiler.ProfilerActivity.CPU]
    if made.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    for name in ("torch bf16", "torch fp32", "onnxruntime", "onnxruntime whole fused"):
        for batch in (1, 16):
            if name not in engines:
                continue
            clips = np.stack([speech(made, 10.0)] * batch)
            engines[name](clips)
            with torch.profiler.profile(activities=activities) as profile:
                engines[name](clips)
            rows = [
                (event.key[:70], event.self_device_time_total / 1000, event.count)
                for event in profile.key_averages()
                if event.self_device_time_total > 0
            ]
            rows.sort(key=lambda row: -row[1])
            tell(
                f"{name}, batch {batch} of 10 s",
                {
                    "GPU ms": round(sum(row[1] for row in rows), 2),
                    "kernels": sum(row[2] for row in rows),
                    "most": [f"{key}: {ms:.2f} ms in {n}" for key, ms, n in rows[:9]],
                },
            )
