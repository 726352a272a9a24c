"""From trained networks to one ONNX graph: front end, networks, their average, test-time warps."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotrace.models.compact_network import BANDS, HOP, STRIDE, Crnn, FrontEnd, normalise

OPSET = 17  # GRU with dynamic time needs the older exporter, which ends here


class Ensemble(nn.Module):
    """Front end and one or more networks whose logits are averaged and whose embeddings stand side by side.

    Args:
        networks: trained, of one shape.
    """

    def __init__(self, networks: Sequence[Crnn]) -> None:
        super().__init__()
        self.front = FrontEnd()
        self.networks = nn.ModuleList(networks)

    def forward(
        self, waveform: Tensor, reference: Tensor, has_reference: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Waveform (B, N), reference (B, 2 * BANDS), has_reference (B, 1).

        Returns:
            logits (B, 9), frame_logits (B, T, 9), embedding (B, D), frames (B, T, F),
            spectrum (B, 2 * BANDS), active_seconds (B,).
        """
        features = normalise(self.front(waveform), reference, has_reference)
        outs = [network(features.values, features.mask) for network in self.networks]
        count = len(outs)
        logits = sum(torch.log_softmax(o.logits, 1) for o in outs) / count
        frame_logits = sum(torch.log_softmax(o.frame_logits, 2) for o in outs) / count
        embedding = torch.cat([o.embedding for o in outs], 1)
        frames = torch.cat([o.frames for o in outs], 2)
        seconds = features.active.sum(1) * (HOP / 16_000)
        return logits, frame_logits, embedding, frames, features.spectrum, seconds  # type: ignore[return-value]


NAMES = ("logits", "frame_logits", "embedding", "frames", "spectrum", "active_seconds")


def export(networks: Sequence[Crnn]) -> bytes:
    """The ONNX graph of an ensemble, weights stored as float16 where nothing is lost by it.

    Args:
        networks: trained, in evaluation mode.

    Returns:
        The serialised graph: inputs ``waveform`` (B, N), ``reference`` (B, 2 * BANDS), ``has_reference``
        (B, 1); outputs :data:`NAMES`.
    """
    model = Ensemble(networks).eval()
    example = (torch.randn(2, 32_000) * 0.1, torch.zeros(2, 2 * BANDS), torch.ones(2, 1))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            example,
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["waveform", "reference", "has_reference"],
            output_names=list(NAMES),
            dynamic_axes={
                "waveform": {0: "batch", 1: "samples"},
                "reference": {0: "batch"},
                "has_reference": {0: "batch"},
                **{name: {0: "batch"} for name in ("logits", "embedding", "spectrum", "active_seconds")},
                **{name: {0: "batch", 1: "frames"} for name in ("frame_logits", "frames")},
            },
        )
    graph = onnx.load_from_string(buffer.getvalue())
    for node in graph.graph.node:
        if node.op_type == "GRU":  # the exporter bakes the example's batch size into the initial state
            node.input[5] = ""
    prune(graph)
    halve_weights(graph)
    onnx.checker.check_model(graph)
    return bytes(graph.SerializeToString())


def prune(graph: onnx.ModelProto) -> None:
    """Remove nodes whose outputs nobody reads."""
    nodes = graph.graph.node
    while True:
        read = {name for node in nodes for name in node.input} | {o.name for o in graph.graph.output}
        dead = [node for node in nodes if not read & set(node.output)]
        if not dead:
            return
        for node in dead:
            nodes.remove(node)


def halve_weights(graph: onnx.ModelProto, smallest: int = 2048) -> None:
    """Store large float32 weights as float16, cast back when the graph is loaded.

    ONNX Runtime folds the casts at load, so the arithmetic stays float32. Spectral kernels (names that hold
    ``kernels``) stay as they are: their rounding would raise the noise floor of the spectra.
    """
    nodes = []
    for weight in list(graph.graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < smallest or "kernels" in weight.name:
            continue
        graph.graph.initializer.remove(weight)
        name = f"{weight.name}.f16"
        half: NDArray[np.float16] = values.astype(np.float16)
        graph.graph.initializer.append(onnx.numpy_helper.from_array(half, name))
        nodes.append(onnx.helper.make_node("Cast", [name], [weight.name], to=onnx.TensorProto.FLOAT))
    for node in reversed(nodes):
        graph.graph.node.insert(0, node)


def sizes(networks: Sequence[Crnn]) -> dict[str, int | float]:
    """The fields of the card that the networks' shape decides."""
    hidden = networks[0].gru.hidden_size
    return {
        "frame_hop": STRIDE * HOP / 16_000,
        "frame_size": 2 * hidden * len(networks),
        "embedding_size": 4 * hidden * len(networks),
        "reference_size": 2 * BANDS,
    }
