"""Tiny model packages, made on the fly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from emotrace.labels import LABELS
from emotrace.models.package import ModelCard, write_package

WIDTHS = {"logits": 9, "frame_logits": 9, "embedding": 4, "frames": 3, "spectrum": 2}
PER_FRAME = ("frame_logits", "frames")


def graph(inputs: tuple[str, ...] = ("waveform", "reference", "has_reference"), **widths: int) -> bytes:
    """A graph whose outputs are multiples of the waveform's mean.

    Args:
        inputs: names of the inputs.
        **widths: last axis of the outputs, over :data:`WIDTHS`; 0 leaves one out.
    """
    helper, numbers = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("ReduceMean", ["waveform"], ["mean"], axes=[1], keepdims=1)]
    weights, outputs = [], []
    for name, width in {**WIDTHS, **widths}.items():
        if not width:
            continue
        row = np.linspace(-1, 1, width, dtype=np.float32)[None]
        weights.append(onnx.numpy_helper.from_array(row, f"{name}.row"))
        flat = f"{name}.flat" if name in PER_FRAME else name
        nodes.append(helper.make_node("MatMul", ["mean", f"{name}.row"], [flat]))
        if name in PER_FRAME:
            nodes.append(helper.make_node("Unsqueeze", [flat, "axis"], [name]))
        shape: list[str | int | None] = ["B", 1, width] if name in PER_FRAME else ["B", width]
        outputs.append(helper.make_tensor_value_info(name, numbers.FLOAT, shape))
    weights.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "axis"))
    axes: dict[str, list[str | int | None]] = {
        "waveform": ["B", "N"],
        "reference": ["B", 2],
        "has_reference": ["B", 1],
    }
    sources = [helper.make_tensor_value_info(n, numbers.FLOAT, axes.get(n, ["B", 1])) for n in inputs]
    made = helper.make_graph(nodes, "tiny", sources, outputs, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def card(**changes: Any) -> dict[str, Any]:
    """The fields of a valid card but ``files``."""
    return {
        "name": "tiny",
        "family": "compact",
        "version": "1",
        "labels": LABELS,
        "frame_hop": 0.04,
        "frame_size": WIDTHS["frames"],
        "embedding_size": WIDTHS["embedding"],
        "min_seconds": 0.1,
        "reference_size": WIDTHS["spectrum"],
        "graphs": {"fp32": "tiny.onnx"},
        "track": {"window": 1.5, "hop": 0.24},
        "description": "Tiny.",
        "training_data": "none",
        "licence": "Apache-2.0",
        "source": "tests",
        "intended_use": "tests",
        "not_for": "anything else",
        **changes,
    }


def package(folder: Path, content: bytes | None = None, **changes: Any) -> ModelCard:
    """Write a package to a folder.

    Args:
        folder: made if it is not there.
        content: of its graph.
        **changes: fields of the card.
    """
    return write_package(folder, {"tiny.onnx": graph() if content is None else content}, card(**changes))
