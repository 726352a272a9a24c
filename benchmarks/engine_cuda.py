"""emotion2vec+ on one GPU: torch in float32 and bfloat16, ONNX Runtime, FunASR.

    python benchmarks/engine.py --device cuda
    python benchmarks/engine_cuda.py --out FOLDER [--data FOLDER] [--size large] [--only parity speed ...]

Random weights in the published format. Each part's figures are written as soon as they are there; what cannot
run is named with its reason, and the rest goes on. Speeds are medians of alternating runs; the clock stops
when probabilities are on the host. FunASR runs with its own defaults where speed is compared (TF32 in its
convolutions), without TF32 where numbers are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import engine_cuda_product as product
from benchmarks.engine_cuda_engines import Engine, Prepared, all_engines, prepare, speech
from benchmarks.engine_material import SIZES

BATCHES = (1, 4, 16, 64)
SECONDS = (3.0, 10.0, 30.0)
NOISE = (0.03, 0.1, 0.5, 3.0, 10.0, 30.0)
BOUNDS = {"frames": 2e-5, "probabilities": 1e-5, "bf16 probabilities": 3e-2}
"""Largest differences from FunASR in float32."""

Tell = Callable[[str, Any], None]
"""Writes one figure at once."""


def compare(
    folder: Path,
    size: str,
    *,
    quick: bool = False,
    data: Path | None = None,
    only: list[str] | None = None,
    out: Path | None = None,
    device: str = "cuda",
) -> dict[str, Any]:
    """Run the parts one after the other.

    Args:
        folder: for checkpoint, graph and clips.
        size: of the network.
        quick: fewer rounds.
        data: recordings of real speech, any number of folders deep; None is the shipped sample.
        only: some of the parts.
        out: figures go there after each step, as JSON.
        device: ``"cpu"`` tries the script without a GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("--device cuda needs a GPU and a torch that finds it; torch.cuda.is_available() says no")
    figures: dict[str, Any] = {}
    made = prepare(folder, size, device, data)
    parts = only or list(PARTS)
    engines = all_engines(made, "parity" in parts)
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        found = figures.setdefault(part, {})
        started = time.perf_counter()

        def tell(name: str, value: Any, found: dict[str, Any] = found, part: str = part) -> None:
            found[name] = value
            print(f"{part}: {name}: {value}", flush=True)
            if out:
                out.write_text(json.dumps(figures, indent=2) + "\n")

        try:
            PARTS[part](made, engines, tell, quick)
        except Exception as error:
            tell("failed", f"{type(error).__name__}: {str(error)[:600]}")
        tell("seconds of this part", round(time.perf_counter() - started, 1))
    return figures


def machine(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """What runs here, which engines are there, and how fast it multiplies."""
    import onnxruntime
    import torch

    for library in (torch, onnxruntime, np):
        tell(library.__name__, library.__version__)
    tell("engines", list(engines))
    for name, reason in made.missing.items():
        tell(f"{name}: left out", reason)
    if made.device == "cuda":
        tell("GPU", torch.cuda.get_device_name())
    for kind in (torch.float32, torch.bfloat16):
        size = 8192 if made.device == "cuda" else 512
        a = torch.randn(size, size, device=made.device, dtype=kind)
        taken = []
        for _ in range(6):
            made.wait()
            started = time.perf_counter()
            for _ in range(4):
                a @ a
            made.wait()
            taken.append((time.perf_counter() - started) / 4)
        tell(f"{kind}: product, TFLOP/s", round(2 * size**3 / min(taken) / 1e12, 1))


def parity(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """Largest differences of a frame and of a probability, clip by clip, from FunASR on either device.

    ``float64`` is the torch network in float64: how far everybody is from the exact result.
    """
    rng = np.random.default_rng(0)
    clips = {
        f"noise {s:g} s": (0.1 * rng.standard_normal(round(s * 16_000))).astype(np.float32) for s in NOISE
    }
    clips |= {f"speech {s:g} s": speech(made, s) for s in (1.0, 7.3, 30.0)}
    clips |= {path.stem: clip for path, clip in made.clips[: 2 if quick else 6]}
    answers = {
        name: {clip: engine(sound[None], exact=True) for clip, sound in clips.items()}
        for name, engine in {**engines, **made.references}.items()
    }
    for reference in [name for name in ("funasr", *made.references) if name in answers]:
        for name in [other for other in answers if other != reference]:
            off = [
                [
                    float(np.abs(a - b).max())
                    for a, b in zip(answers[name][c], answers[reference][c], strict=True)
                ]
                for c in clips
            ]
            scores, frames = np.max(off, 0)
            worst = list(clips)[int(np.argmax([f for _, f in off]))]
            tell(f"{name} against {reference}", {"probabilities": scores, "frames": frames, "worst": worst})
    for name in engines:
        if name.startswith(("torch", "onnxruntime")):
            tell(f"{name}: padded batch against one by one", _padding(engines[name], list(clips.values())))


def _padding(engine: Engine, clips: list[NDArray[np.float32]]) -> float:
    chosen = [clip for clip in clips if len(clip) <= 160_000]
    batch = np.zeros((len(chosen), max(map(len, chosen))), np.float32)
    for row, clip in zip(batch, chosen, strict=True):
        row[: len(clip)] = clip
    together, _ = engine(batch, samples=[len(c) for c in chosen], exact=True)
    alone = np.concatenate([engine(c[None], exact=True)[0] for c in chosen])
    return float(np.abs(together - alone).max())


def speed(made: Prepared, engines: dict[str, Engine], tell: Tell, quick: bool) -> None:
    """Clips per second of each engine, engines in turn, and the most memory that it took."""
    for seconds in SECONDS:
        for batch in BATCHES:
            clips = np.stack([np.roll(speech(made, seconds), 997 * i) for i in range(batch)])
            runs = {name: engine for name, engine in engines.items() if name not in made.parity_only}
            timed: dict[str, list[float]] = {name: [] for name in runs}
            memory, failed = {}, {}
            budget = 1.0 if quick else 3.0
            for turn in range(8):
                for name in sorted(runs, reverse=turn % 2 == 1):
                    if name in failed or sum(timed[name]) > budget:
                        continue
                    try:
                        made.reset_memory()
                        started = time.perf_counter()
                        runs[name](clips)
                        if turn:
                            timed[name].append(time.perf_counter() - started)
                        memory[name] = made.memory(name)
                    except Exception as error:  # out of memory, most likely
                        failed[name] = f"{type(error).__name__}: {str(error)[:160]}"
            row: dict[str, Any] = dict(failed)
            for name, values in timed.items():
                if values:
                    middle = statistics.median(values)
                    row[name] = {
                        "ms": round(1000 * middle, 2),
                        "clips/s": round(batch / middle, 1),
                        "times real time": round(batch * seconds / middle),
                        "GB": round(memory[name], 2),
                        "rounds": len(values),
                    }
                    if timed.get("funasr"):
                        row[name]["times FunASR"] = round(statistics.median(timed["funasr"]) / middle, 2)
            tell(f"{seconds:g} s, batch {batch}", row)


PARTS: dict[str, Callable[[Prepared, dict[str, Engine], Tell, bool], None]] = {
    "machine": machine,
    "parity": parity,
    "speed": speed,
    "nodes": product.nodes,
    "recognizer": product.recognizer,
    "service": product.service,
    "command": product.command,
    "kernels": product.kernels,
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, default=Path("build/engine"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--size", choices=SIZES, default="large")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    args = parser.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    compare(
        args.folder,
        args.size,
        quick=args.quick,
        data=args.data,
        only=args.only,
        out=args.out / f"engine-{args.size}.json" if args.out else None,
        device=args.device,
    )


if __name__ == "__main__":
    main()
