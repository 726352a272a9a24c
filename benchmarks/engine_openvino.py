"""The large network in OpenVINO beside our own graphs: `python benchmarks/engine_openvino.py`.

Needs `pip install openvino nncf` beside the extra `convert`. float32 as OpenVINO reads it out of torch;
int8 with static ranges by NNCF (its preset for transformers, calibrated on the clips that are timed, which
favours it).
Random weights; every figure is a median of alternating runs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import engine_material as made_of
from emotrace.models.cpu import cores, cpu_name
from emotrace.models.encoder import Encoder
from emotrace.recognition import Recognizer

Wave = NDArray[np.float32]
SECONDS = (3.0, 10.0, 30.0)


def normalised(clip: Wave) -> Wave:
    """Mean 0, variance 1, shape (1, n): the first step of the network."""
    scaled: Wave = (clip - clip.mean()) / np.sqrt(clip.var() + np.float32(1e-5))
    return scaled[np.newaxis]


def network_of(checkpoint: Path) -> Any:
    """The torch network for one whole clip that is normalised already: frames and logits."""
    import torch
    from torch.nn import functional

    from emotrace.models.checkpoint import read_checkpoint
    from emotrace.models.emotion2vec_network import Emotion2vec

    read = read_checkpoint(checkpoint)
    network = Emotion2vec.from_weights(read.config, read.weights)

    class OneClip(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, waveform: Any) -> Any:
            audio: Any = self.network.modality_encoders["AUDIO"]
            config = audio.config
            x = audio.local_encoder(waveform[:, None]).transpose(1, 2)  # 1, T, channels
            x = audio.project_features["2"](audio.project_features["1"](x))  # 1, T, D
            y = x
            for layer in audio.relative_positional_encoder.values():
                (conv,) = layer.children()
                y = conv(y.transpose(1, 2))[:, :, : x.shape[1]].transpose(1, 2)
                y = functional.gelu(functional.layer_norm(y, (config.embed_dim,), eps=1e-5))
            x = torch.cat([audio.extra_tokens, x + y], 1)  # 1, L, D
            position = torch.arange(y.shape[1], dtype=torch.float32)
            slopes = torch.tensor(config.alibi_slopes()) * audio.alibi_scale.flatten().clamp(min=0)
            bias = -slopes[:, None, None] * (position[:, None] - position).abs()
            bias = functional.pad(bias, (config.extra_tokens, 0, config.extra_tokens, 0))[None]
            x = audio.context_encoder["norm"](x)
            for block in (*audio.context_encoder["blocks"], *self.network.blocks):
                x = block(x, bias)
            frames = x[:, config.extra_tokens :]
            return frames, self.network.proj(frames)  # type: ignore[misc]

    return OneClip().eval()


def compiled(checkpoint: Path, clips: list[Wave], threads: int) -> dict[str, Any]:
    """OpenVINO's two models by precision."""
    import nncf
    import openvino
    import torch

    with torch.no_grad():
        plain = openvino.convert_model(
            network_of(checkpoint),
            example_input=(torch.from_numpy(clips[0]),),
            input=[openvino.PartialShape([1, -1])],
        )
    calibration = nncf.Dataset([*clips, *(clip[:, :16_000] for clip in clips)])
    small = nncf.quantize(
        plain, calibration, model_type=nncf.ModelType.TRANSFORMER, subset_size=2 * len(clips)
    )
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    return {
        name: core.compile_model(model, "CPU", options) for name, model in (("fp32", plain), ("int8", small))
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the material is made, or is already")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        made = made_of.prepare(arguments.folder or Path(temporary), "large")
        clips = {seconds: np.load(made.clip(seconds)).ravel() for seconds in SECONDS}
        waves = [normalised(clip) for clip in clips.values()]
        theirs = compiled(made.checkpoint, waves, cores())
        runs: dict[str, Callable[[float], Any]] = {}
        for name in ("fp32", "int8"):
            ours = Recognizer(str(made.package), precision=name, threads=cores()).encoder
            runs[f"ONNX Runtime {name}"] = partial(_ours, ours, clips)
            runs[f"OpenVINO {name}"] = partial(_theirs, theirs[name], clips)
        print(cpu_name(), cores(), "cores; real-time factors")
        for seconds in SECONDS:
            print(f"{seconds:g} s:", times(runs, seconds, arguments.rounds), flush=True)


def _ours(encoder: Encoder, clips: dict[float, Wave], seconds: float) -> object:
    return encoder.encode([clips[seconds]])


def _theirs(model: Any, clips: dict[float, Wave], seconds: float) -> object:
    return model(normalised(clips[seconds]))


def times(runs: dict[str, Callable[[float], Any]], seconds: float, rounds: int) -> dict[str, float]:
    """Median real-time factor of each."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run(seconds)
            found[name].append((time.perf_counter() - begin) / seconds)
    return {name: round(statistics.median(values[1:]), 4) for name, values in found.items()}


if __name__ == "__main__":
    main()
