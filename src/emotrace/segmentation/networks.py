"""The small networks of the signal checks, loaded once, one thread each."""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources
from typing import Any

from emotrace.results import Array

_LOCK = threading.Lock()


def run(name: str, bands: Array) -> list[Array]:
    """All outputs of a network.

    Args:
        name: of its file, ``"sounds"`` or ``"voices"``.
        bands: float32 (windows, frames, 80), see :func:`emotrace.segmentation.bands.log_bands`.
    """
    return infer(name, bands=bands)


def infer(name: str, **inputs: Array) -> list[Array]:
    """All outputs of a network, of the inputs by their names; shapes are those of its graph."""
    with _LOCK:
        session = _session(name)
    outputs: list[Array] = session.run(None, inputs)
    return outputs


@cache
def _session(name: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # too small to share out
    options.log_severity_level = 3
    graph = (resources.files(__package__) / f"{name}.onnx").read_bytes()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
