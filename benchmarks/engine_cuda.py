"""`benchmarks/engine.py --device cuda`: torch in float32 and bfloat16, ONNX Runtime and FunASR on one GPU.

All in this process; whatever is not installed is named and left out. Needs torch with CUDA; the checkpoint is
made if it is not there.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_graph import write_graph
from emotrace.models.emotion2vec_network import Emotion2vec
from tests.models.checkpoints import BASE, LARGE, TINY, random_weights, write_checkpoint

BATCHES = (1, 4, 16, 64)
SECONDS = 5.0
BOUNDS = {"torch fp32": 2e-3, "torch bf16": 3e-2, "onnxruntime": 2e-3, "funasr": 2e-3}
"""Largest difference of a probability from float32 on the CPU; TF32 is off."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Waveforms (B, N) -> probabilities (B, classes)."""


def compare(folder: Path, size: str, *, quick: bool = False) -> dict[str, Any]:
    """Clips per second of each engine at each batch size, and how far its probabilities are off.

    Args:
        folder: for the checkpoint and the graph.
        size: of the network.
        quick: fewer rounds.
    """
    import torch

    if not torch.cuda.is_available():
        sys.exit("--device cuda needs a GPU and a torch that finds it; torch.cuda.is_available() says no")
    config = {"large": LARGE, "base": BASE, "tiny": TINY}[size]
    weights = {name: value.numpy() for name, value in random_weights(config, 0).items()}
    rng = np.random.default_rng(0)
    clips = (0.1 * rng.standard_normal((max(BATCHES), int(SECONDS * 16_000)))).astype(np.float32)
    engines = _engines(config, weights, folder / f"{size}-cuda")
    expected = _torch(config, weights, "cpu", torch.float32)(clips[:2])
    out: dict[str, Any] = {"machine": {"GPU": torch.cuda.get_device_name(), "torch": torch.__version__}}
    for name, engine in engines.items():
        off = float(np.abs(engine(clips[:2]) - expected).max())
        out[name] = {"largest change of a probability": off, "within bound": str(off <= BOUNDS[name])}
    for batch in BATCHES:
        speed = _speed(engines, clips[:batch], rounds=3 if quick else 7)
        for name, value in speed.items():
            out[name][f"batch {batch}: times real time"] = value
            if "funasr" in speed and name != "funasr":
                out[name][f"batch {batch}: times FunASR"] = value / speed["funasr"]
    return out


def _speed(engines: dict[str, Run], clips: NDArray[np.float32], rounds: int) -> dict[str, float]:
    """Seconds of sound per second, engines in turn; probabilities are on the host when the clock stops."""
    timed: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(rounds + 1):
        for name in sorted(engines, reverse=turn % 2 == 1):
            started = time.perf_counter()
            engines[name](clips)
            if turn:
                timed[name].append(time.perf_counter() - started)
    return {name: SECONDS * len(clips) / statistics.median(values) for name, values in timed.items()}


def _engines(config: Emotion2vecConfig, weights: dict[str, Any], folder: Path) -> dict[str, Run]:
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    engines: dict[str, Run] = {
        "torch fp32": _torch(config, weights, "cuda", torch.float32),
        "torch bf16": _torch(config, weights, "cuda", torch.bfloat16),
    }
    makers: Sequence[tuple[str, Callable[[], Run]]] = (
        ("onnxruntime", lambda: _onnxruntime(config, weights, folder)),
        ("funasr", lambda: _funasr(config, folder)),
    )
    for name, make in makers:
        try:
            engines[name] = make()
        except (ImportError, RuntimeError) as error:  # noqa: PERF203 (two of them)
            print(f"{name} is left out: {error}", file=sys.stderr)
    return engines


def _torch(config: Emotion2vecConfig, weights: dict[str, Any], device: str, dtype: Any) -> Run:
    import torch

    network = Emotion2vec.from_weights(config, weights).to(device, dtype)

    def run(clips: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            samples = torch.full((len(clips),), clips.shape[1], device=device)
            logits = network(torch.from_numpy(clips).to(device), samples).logits
            assert logits is not None
            shares: NDArray[np.float32] = logits.float().softmax(1).cpu().numpy()
        return shares

    return run


def _onnxruntime(config: Emotion2vecConfig, weights: dict[str, Any], folder: Path) -> Run:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise RuntimeError(f"this build of ONNX Runtime ({onnxruntime.__version__}) has no CUDA provider")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    provider = ("CUDAExecutionProvider", {"use_tf32": "0"})
    graph = folder / write_graph(config, weights, folder)[0]
    session = onnxruntime.InferenceSession(str(graph), options, providers=[provider])
    if "CUDAExecutionProvider" not in session.get_providers():
        raise RuntimeError("ONNX Runtime could not start its CUDA provider")

    def run(clips: NDArray[np.float32]) -> NDArray[np.float32]:
        feed = {"waveform": clips, "samples": np.full(len(clips), clips.shape[1], np.int64)}
        (logits,) = session.run(["logits"], feed)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        out: NDArray[np.float32] = shares / shares.sum(1, keepdims=True)
        return out

    return run


def _funasr(config: Emotion2vecConfig, folder: Path) -> Run:
    import funasr  # noqa: F401 (whether it is here)

    from benchmarks.engine_peer import load

    if not (folder / "model.pt").exists():
        write_checkpoint(folder, config, seed=0)
    with contextlib.redirect_stdout(io.StringIO()):
        model = load(str(folder), 1, "cuda")

    def run(clips: NDArray[np.float32]) -> NDArray[np.float32]:
        with contextlib.redirect_stdout(io.StringIO()):
            found = [model.generate(c, granularity="utterance", extract_embedding=False)[0] for c in clips]
        return np.array([one["scores"] for one in found], np.float32)

    return run
