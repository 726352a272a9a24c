"""The engines of `benchmarks/engine_cuda.py`, on one checkpoint with random weights, and clips for them."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks import material
from benchmarks.engine_material import SIZES, network_card
from emotrace.audio import load
from emotrace.models import emotion2vec_graph
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_graph import Emotion2vecGraph, write_graph
from emotrace.models.onnx_writing import Scan, Writer
from emotrace.models.package import ModelPackage, seal_package
from emotrace.models.runtime import OnnxEncoder
from emotrace.models.torch_runtime import TorchEncoder, float32_products
from tests.models.checkpoints import random_weights, write_checkpoint

WHOLE = "whole.onnx"
GB = 1e9

Answer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Probabilities (B, C) and, where they were asked for, frames (B, T, D)."""


class Engine(Protocol):
    """Waveforms (B, N) in, probabilities out; with ``exact`` frames, too, and no TF32."""

    def __call__(
        self, clips: NDArray[np.float32], *, samples: Sequence[int] | None = None, exact: bool = False
    ) -> Answer:
        """Run it."""


@dataclass
class Prepared:
    """What all parts share.

    Attributes:
        config: of the network.
        device: ``"cuda"``, or ``"cpu"`` for a trial.
        checkpoint: folder in the published format.
        package: the same weights as a model package, float32.
        clips: recordings, 16 kHz.
        references: engines that only say what is right.
        parity_only: engines whose speed is of no interest.
        missing: engines that are not there, and why.
    """

    config: Emotion2vecConfig
    device: str
    checkpoint: Path
    package: Path
    clips: list[tuple[Path, NDArray[np.float32]]]
    references: dict[str, Engine] = field(default_factory=dict)
    parity_only: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> Path:
        """The graph without pieces."""
        return self.package.parent / f"{self.package.name.removesuffix('gpu')}{WHOLE}"

    def wait(self) -> None:
        """Until the GPU has done what it was given."""
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()

    def reset_memory(self) -> None:
        """Forget the peak of torch's memory."""
        import torch

        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def memory(self, name: str) -> float:
        """Gigabytes: torch's peak since the reset; of ONNX Runtime all that is not torch's."""
        import torch

        if self.device != "cuda":
            return 0.0
        if not name.startswith("onnxruntime"):
            return torch.cuda.max_memory_allocated() / GB
        free, total = torch.cuda.mem_get_info()
        return (total - free - torch.cuda.memory_reserved()) / GB


def prepare(folder: Path, size: str, device: str, data: Path | None) -> Prepared:
    """Write checkpoint, package and the graph for a GPU, where they are not there yet."""
    from safetensors.torch import save_file

    config, checkpoint, package = SIZES[size], folder / f"{size}-published", folder / f"{size}-gpu"
    if not (package / "model.json").exists():
        tensors = random_weights(config, 0)
        write_checkpoint(checkpoint, config, weights=tensors)
        package.mkdir(parents=True, exist_ok=True)
        weights = {name: value.numpy() for name, value in tensors.items()}
        graph, *behind = write_graph(config, weights, package)
        with mock.patch.multiple(emotion2vec_graph, ROWS=1 << 30, SCORES=1 << 60):
            WholeGraph(config, weights).write(folder, f"{size}-{WHOLE}")
        save_file(tensors, package / "weights.safetensors")
        seal_package(
            package,
            network_card(
                package.name,
                config,
                graphs={"fp32": graph},
                external={graph: tuple(behind)},
                weights="weights.safetensors",
            ),
        )
    paths = sorted(data.rglob("*.*")) if data else []
    clips = [
        (path, load(path).samples)
        for path in paths
        if path.suffix in (".wav", ".flac", ".opus", ".ogg", ".mp3")
    ]
    return Prepared(config, device, checkpoint, package, clips)


def speech(made: Prepared, seconds: float) -> NDArray[np.float32]:
    """Speech of this length: the recordings one behind the other, else the shipped sample."""
    whole = np.concatenate([clip for _, clip in made.clips] or [material.speech()])
    return np.resize(whole, round(seconds * 16_000)).astype(np.float32)


class WholeWriter(Writer):
    """Slices are computed at once, not one after the other: their axis is joined with the next one."""

    @contextmanager
    def scan(self, **sequences: tuple[str, Sequence[str | int]]) -> Iterator[Scan]:
        """See :meth:`Writer.scan`."""
        scan = Scan({})
        for name, (value, _) in sequences.items():
            shape = self("Concat", self.ints(-1), self("Shape", value, start=2), axis=0)
            scan.slices[name] = self("Reshape", value, shape)
        yield scan
        first = next(iter(sequences.values()))[0]
        shape = self(
            "Concat", self("Shape", first, start=0, end=2), self("Shape", scan.value, start=1), axis=0
        )
        scan.stacked = self("Reshape", scan.value, shape)


class WholeGraph(Emotion2vecGraph):
    """The graph without pieces: a GPU wants much at once. ``ROWS`` and ``SCORES`` must hold any clip."""

    def __init__(self, config: Emotion2vecConfig, weights: Any) -> None:
        super().__init__(config, weights)
        self.g = WholeWriter()


def all_engines(made: Prepared, references: bool) -> dict[str, Engine]:
    """Every engine that is there, with or without references; the others are in ``made.missing``."""
    package = ModelPackage(made.package)

    def onnx(**how: Any) -> Engine:
        return onnx_engine(OnnxEncoder(package, device=made.device, precision="fp32"), **how)

    makers: dict[str, Any] = {
        "torch fp32": lambda: torch_engine(package, "fp32", made.device),
        "torch bf16": lambda: torch_engine(package, "bf16", made.device),
        "torch fp32 plain attention": lambda: torch_engine(package, "fp32", made.device, plain=True),
        "onnxruntime": onnx,
        "onnxruntime whole": lambda: onnx(graph=made.whole),
        "onnxruntime whole fused": lambda: onnx(graph=made.whole, fused=True),
        "funasr": lambda: funasr_engine(made.checkpoint, made.device),
    }
    right = {
        "funasr cpu": lambda: funasr_engine(made.checkpoint, "cpu"),
        "float64": lambda: torch_engine(package, "fp64", made.device),
    }
    made.parity_only |= {"torch fp32 plain attention"}
    engines: dict[str, Engine] = {}
    for target, some in ((engines, makers), (made.references, right if references else {})):
        for name, make in some.items():
            try:
                target[name] = make()
                target[name](np.zeros((1, 8000), np.float32), exact=True)
            except Exception as error:  # noqa: PERF203 (a handful)
                target.pop(name, None)
                made.missing[name] = f"{type(error).__name__}: {str(error)[:300]}"
    return engines


def torch_engine(package: ModelPackage, precision: str, device: str, plain: bool = False) -> Engine:
    """The torch network as the product loads it."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    exact64 = precision == "fp64"
    network = TorchEncoder(package, precision="fp32" if exact64 else precision, device=device)._model()
    network = network.double() if exact64 else network

    def run(
        clips: NDArray[np.float32], *, samples: Sequence[int] | None = None, exact: bool = False
    ) -> Answer:
        lengths = torch.tensor(samples or [clips.shape[1]] * len(clips), device=device)
        attention = sdpa_kernel(SDPBackend.MATH) if plain or exact64 else contextlib.nullcontext()
        with torch.inference_mode(), float32_products(), attention:
            found = network(torch.from_numpy(clips).to(device), lengths)
            scores = found.logits.softmax(1).cpu().numpy()
            return scores, (found.frames.cpu().numpy() if exact else scores)

    return run


def onnx_engine(encoder: OnnxEncoder, graph: Path | None = None, fused: bool = False) -> Engine:
    """The package's graph in the product's session, or another graph in one like it."""
    import onnxruntime

    level = onnxruntime.GraphOptimizationLevel
    with mock.patch.object(
        level, "ORT_ENABLE_BASIC", level.ORT_ENABLE_ALL if fused else level.ORT_ENABLE_BASIC
    ):
        session = encoder._make_session(str(graph)) if graph else encoder._session()
    if encoder._device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise RuntimeError("ONNX Runtime could not start its CUDA provider")

    def run(
        clips: NDArray[np.float32], *, samples: Sequence[int] | None = None, exact: bool = False
    ) -> Answer:
        feed = {"waveform": clips, "samples": np.array(samples or [clips.shape[1]] * len(clips), np.int64)}
        found = session.run(["logits", "frames"] if exact else ["logits"], feed)
        shares = np.exp(found[0] - found[0].max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True), found[-1]

    return run


def funasr_engine(checkpoint: Path, device: str) -> Engine:
    """``generate`` with a list of waveforms; it runs them one by one."""
    from benchmarks.engine_peer import load as load_peer

    with contextlib.redirect_stdout(io.StringIO()):
        model = load_peer(str(checkpoint), os.cpu_count() or 1, device)

    def run(
        clips: NDArray[np.float32], *, samples: Sequence[int] | None = None, exact: bool = False
    ) -> Answer:
        assert samples is None
        how = {"granularity": "frame" if exact else "utterance", "extract_embedding": exact}
        precise = float32_products() if exact else contextlib.nullcontext()
        with contextlib.redirect_stdout(io.StringIO()), precise:
            found = model.generate(list(clips), **how)
        scores = np.array([one["scores"] for one in found], np.float32)
        return scores, (np.stack([one["feats"] for one in found]) if exact else scores)

    return run
