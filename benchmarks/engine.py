"""The emotion2vec+ engine against FunASR, in one run: `python benchmarks/engine.py [--quick]`.

Random weights in the published format; the large size. FunASR runs in an environment of its own (`--peer`,
made by `make peer`); without it the ratios are left out. Every figure is a median of alternating runs.
`--device cuda` compares on a GPU instead (`benchmarks/engine_cuda.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import engine_material as made_of
from benchmarks.process import Run, emotrace, run
from emotrace.models.cpu import cores, cpu_name, int8_instructions
from emotrace.models.emotion2vec_config import Emotion2vecConfig

PEER = Path(__file__).with_name("engine_peer.py")
ENGINES = ("funasr", "fp32", "int8")
PRODUCTS = {"MatMul", "Gemm", "Conv", "FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
SECONDS = (3.0, 10.0, 30.0)


class Worker:
    """A process that holds a loaded model and times clips.

    Args:
        command: its protocol is that of ``engine_peer.py serve``.
        environment: of it; None is ours.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, line: str) -> Any:
        """The answer to a line."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def time(self, clip: Path) -> tuple[float, float]:
        """Seconds of wall clock and of CPU."""
        wall, cpu = self.ask(str(clip))
        return wall, cpu

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def serve(package: Path, precision: str, threads: int) -> None:
    """What a worker of ours does."""
    from emotrace.models.loading import load_encoder
    from emotrace.models.package import ModelPackage

    encoder = load_encoder(ModelPackage(package), precision=precision, threads=threads, runtime="onnxruntime")
    encoder.encode([np.zeros(16_000, np.float32)])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        clip = np.load(line.strip())
        started, used = time.perf_counter(), time.process_time()
        encoder.encode([clip])
        print(json.dumps([time.perf_counter() - started, time.process_time() - used]), flush=True)


def operations(config: Emotion2vecConfig, samples: int) -> float:
    """Multiplications and additions of one clip's matrix products and convolutions.

    >>> from tests.models.checkpoints import LARGE
    >>> round(operations(LARGE, 160_000) / 1e9)
    222
    """
    total, width, length = 0.0, 1, samples
    for channels, kernel, stride in config.conv_layers:
        length = (length - kernel) // stride + 1
        total += length * channels * kernel * width
        width = channels
    dim, tokens = config.embed_dim, length + config.extra_tokens
    total += length * width * dim
    total += config.conv_pos_depth * length * dim * (dim // config.conv_pos_groups) * config.conv_pos_kernel
    block = tokens * (4 * dim * dim + 2 * dim * config.mlp_dim) + 2 * tokens * tokens * dim
    return 2 * (total + config.blocks * block)


def bench_peak(context: Context) -> dict[str, Any]:
    """Highest matrix throughput that is reached here in float32 and in int8, by ONNX Runtime, all cores."""
    out = {}
    for kind in ("fp32", "int8"):
        best = 0.0
        for rows, inner in ((512, 1024), (1024, 1024), (2048, 2048)):
            session, feed = _product(kind, rows, inner, context.threads)
            session.run(None, feed)
            for _ in range(context.rounds * 4):
                started = time.perf_counter()
                session.run(None, feed)
                best = max(best, 2.0 * rows * inner * inner / (time.perf_counter() - started))
        out[kind] = best / 1e9
    return {f"peak {kind}, GFLOP/s": value for kind, value in out.items()}


def _product(kind: str, rows: int, inner: int, threads: int) -> tuple[Any, dict[str, Any]]:
    import onnx
    import onnxruntime

    helper, rng = onnx.helper, np.random.default_rng(0)
    types: tuple[Any, Any, Any] = (np.uint8, np.int8, np.int32) if kind == "int8" else (np.float32,) * 3
    x, w = (
        rng.integers(0, 100, shape).astype(t)
        for shape, t in (((rows, inner), types[0]), ((inner,) * 2, types[1]))
    )
    value, number = helper.make_tensor_value_info, helper.np_dtype_to_tensor_dtype
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger" if kind == "int8" else "MatMul", ["x", "w"], ["y"])],
        "product",
        [value("x", number(np.dtype(types[0])), x.shape)],
        [value("y", number(np.dtype(types[2])), None)],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options), {"x": x}


def bench_clips(context: Context) -> dict[str, Any]:
    """One clip at a time, all cores: engines in turn."""
    threads, package = str(context.threads), str(context.made.package)
    workers = {
        name: Worker([sys.executable, __file__, "--serve", package, name, threads])
        for name in ("fp32", "int8")
    }
    if context.peer:
        workers["funasr"] = Worker(
            [str(context.peer), str(PEER), str(context.made.checkpoint), threads, "serve"]
        )
    out: dict[str, Any] = {}
    for seconds in SECONDS:
        clip = context.made.clip(seconds)
        timed: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
        for turn in range(context.rounds + 1):
            for name in sorted(workers, reverse=turn % 2 == 1):
                result = workers[name].time(clip)
                if turn:
                    timed[name].append(result)
        wall = {name: statistics.median(w for w, _ in values) for name, values in timed.items()}
        for name, middle in wall.items():
            out[f"{seconds:g} s, {name}: real-time factor"] = middle / seconds
            out[f"{seconds:g} s, {name}: CPU seconds"] = statistics.median(c for _, c in timed[name])
            done = operations(context.made.config, int(seconds * 16_000)) / middle / 1e9
            out[f"{seconds:g} s, {name}: GFLOP/s"] = done
            if name != "funasr" and "peak" in context.figures:
                out[f"{seconds:g} s, {name}: share of peak"] = (
                    done / context.figures["peak"][f"peak {name}, GFLOP/s"]
                )
            if name != "funasr" and "funasr" in wall:
                ratios = [f / o for (f, _), (o, _) in zip(timed["funasr"], timed[name], strict=True)]
                out[f"{seconds:g} s, {name}: times FunASR"] = statistics.median(ratios)
    for worker in workers.values():
        worker.close()
    return out


def bench_batch(context: Context) -> dict[str, Any]:
    """Many recordings, whole process, model load included."""
    count = 40 if context.quick else 200
    files, seconds, what = made_of.recordings(context.made, context.data, count)
    names = context.made.clips / "batch.txt"
    names.write_text("".join(f"{path}\n" for path in files))
    ours = analyze(context, "int8", *map(str, files), "--no-checks")  # FunASR checks no signal either
    theirs = peer(context, "list", str(names))
    timed: dict[str, list[Run]] = {"int8": [], "funasr": []}
    for _ in range(1 if context.quick else 3):
        timed["int8"].append(run(ours))
        if context.peer:
            timed["funasr"].append(run(theirs))
    out: dict[str, Any] = {"clips": f"{count} ({what}), {seconds:.0f} s"}
    for name, runs in timed.items():
        if runs:
            out[f"{name}: wall, s"] = statistics.median(r.wall for r in runs)
            out[f"{name}: peak RSS, MB"] = statistics.median(r.rss_mb for r in runs)
    if context.peer:
        out["times FunASR"] = out["funasr: wall, s"] / out["int8: wall, s"]
    return out


def peer(context: Context, *what: str) -> list[str]:
    """FunASR's worker."""
    return [str(context.peer), str(PEER), str(context.made.checkpoint), str(context.threads), *what]


def analyze(context: Context, precision: str, *arguments: str) -> list[str]:
    """The command as a user types it."""
    return emotrace(
        "analyze", *arguments, "--model", str(context.made.package), "--precision", precision, "--json"
    )


def bench_process(context: Context) -> dict[str, Any]:
    """Cold start, and peak memory of a clip and of an hour, whole processes."""
    out: dict[str, Any] = {}
    runs = 3 if context.quick else 7
    for seconds in (5.0, 10.0):
        results = [run(analyze(context, "int8", str(context.made.wav(seconds)))) for _ in range(runs)]
        out[f"int8, {seconds:g} s clip: process start to end, s"] = statistics.median(r.wall for r in results)
        out[f"int8, {seconds:g} s clip: peak RSS, MB"] = max(r.rss_mb for r in results)
    minutes = 5 if context.quick else 60
    hour = run(analyze(context, "int8", str(context.made.wav(minutes * 60.0))))
    out[f"int8, {minutes} min file: wall, s"] = hour.wall
    out[f"int8, {minutes} min file: peak RSS, MB"] = hour.rss_mb
    if context.peer:
        names = context.made.clips / "one.txt"
        names.write_text(f"{context.made.wav(5.0)}\n")
        command = peer(context, "list", str(names))
        results = [run(command) for _ in range(1 if context.quick else 3)]
        out["funasr, 5 s clip: process start to end, s"] = statistics.median(r.wall for r in results)
        out["funasr, 5 s clip: peak RSS, MB"] = max(r.rss_mb for r in results)
    return out


def bench_profile(context: Context) -> dict[str, Any]:
    """Share of the time outside matrix products and convolutions, by ONNX Runtime's profile; one thread."""
    import onnxruntime

    out: dict[str, Any] = {}
    for precision, graph in (("fp32", "model.onnx"), ("int8", "model.int8.onnx")):
        for seconds in SECONDS:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.enable_profiling = True
            options.profile_file_prefix = str(context.made.clips / "profile")
            session = onnxruntime.InferenceSession(str(context.made.package / graph), options)
            clip = np.load(context.made.clip(seconds))
            for _ in range(2):
                session.run(None, {"waveform": clip[None], "samples": np.array([len(clip)])})
            path = Path(session.end_profiling())
            spent: Counter[str] = Counter()
            for event in json.loads(path.read_text()):
                if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                    spent[event["args"]["op_name"]] += event["dur"]
            path.unlink()
            del spent["Scan"]  # what is inside is counted
            total = sum(spent.values())
            rest = {name: spent[name] / total for name, _ in spent.most_common() if name not in PRODUCTS}
            out[f"{precision}, {seconds:g} s: outside products"] = sum(rest.values())
            out[f"{precision}, {seconds:g} s: most of it"] = {
                k: round(v, 4) for k, v in list(rest.items())[:5]
            }
    return out


class Context:
    """What the benches share.

    Args:
        args: of the command line.

    Attributes:
        figures: of the benches before.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.quick: bool = args.quick
        self.rounds = 3 if args.quick else 7
        self.threads = args.threads or cores()
        self.data = Path(args.data) if args.data and Path(args.data).is_dir() else None
        self.peer: Path | None = args.peer if args.peer.exists() else None
        if self.peer is None:
            print(f"no {args.peer}: `make peer` makes it; ratios to FunASR are left out", file=sys.stderr)
        self.made = made_of.prepare(args.folder, args.size)
        self.figures: dict[str, Any] = {}


BENCHES: dict[str, Callable[[Context], dict[str, Any]]] = {
    "peak": bench_peak,
    "clips": bench_clips,
    "batch": bench_batch,
    "process": bench_process,
    "profile": bench_profile,
}


def table(figures: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| what | figure |", "|---|---|"]
    for bench, values in figures.items():
        for name, value in values.items():
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            lines.append(f"| {bench}: {name} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
        return
    root = Path(__file__).parents[1]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, 40 clips, 5 minutes")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--size", choices=made_of.SIZES, default="large")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0 is every core")
    parser.add_argument("--peer", type=Path, default=root / ".venv-peer" / "bin" / "python")
    parser.add_argument(
        "--data", default=os.environ.get("EMOTRACE_TEST_DATA", str(root.parent / "shared" / "data"))
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "emotrace-engine")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    if args.device == "cuda":
        from benchmarks.engine_cuda import compare

        figures = compare(args.folder, args.size, quick=args.quick)
    else:
        import onnxruntime

        context = Context(args)
        figures = context.figures
        figures["machine"] = {
            "CPU": cpu_name(),
            "instructions": int8_instructions(),
            "threads": context.threads,
            "onnxruntime": onnxruntime.__version__,
            "size": args.size,
        }
        figures["int8 against fp32"] = made_of.figures(context.made).model_dump(
            include={
                "utterance_agreement",
                "frame_agreement",
                "utterance_change",
                "frame_change",
                "speed_ratio",
            }
        )
        for name in args.only:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures[name] = BENCHES[name](context)
    print(table(figures))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
