"""Small packages of the family emotion2vec: a graph by hand, and random weights for the torch network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emotrace.labels import LABELS
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.package import Int8Figures, ModelCard, seal_package
from tests.models.packages import card

DIM = 8
NETWORK = Emotion2vecConfig(
    embed_dim=DIM,
    heads=2,
    alibi_heads=2,
    prenet_depth=1,
    depth=0,
    conv_layers=((DIM, 400, 320),),
    conv_pos_groups=2,
)
"""What the card of the graph says: one convolution, whose frames are those of the real ones."""


def speech_graph(head: bool = True, noise: float = 0.0, shift: int = 0) -> onnx.ModelProto:
    """A graph with the inputs and outputs of an emotion2vec graph, and exact padding.

    Frames are one convolution and a GELU; the embedding is their mean over a clip's own; the head is linear.

    Args:
        head: whether it has one.
        noise: deviation of what is added to the weights, as quantisation would.
        shift: labels by which the head is turned.
    """
    rng = np.random.default_rng(0)
    weights = {
        "conv": rng.normal(size=(DIM, 1, 400)) / 8,
        "head": np.roll(rng.normal(size=(DIM, len(LABELS))) * 2, shift, axis=1),
    }
    off = np.random.default_rng(1)
    arrays = {k: (v + noise * off.normal(size=v.shape)).astype(np.float32) for k, v in weights.items()}
    arrays |= {"root": np.array(np.sqrt(2), np.float32), "half": np.array(0.5, np.float32)}
    arrays |= {"one": np.array(1, np.float32)}
    whole = {"zero": 0, "step": 1, "hop": 320, "field": 400}
    lists = {"last": [1], "behind": [2]}
    node = helper.make_node
    nodes = [
        node("Unsqueeze", ["waveform", "last"], ["channel"]),
        node("Conv", ["channel", "conv"], ["filtered"], strides=[320]),
        node("Div", ["filtered", "root"], ["scaled"]),
        node("Erf", ["scaled"], ["error"]),
        node("Add", ["error", "one"], ["raised"]),
        node("Mul", ["filtered", "raised"], ["twice"]),
        node("Mul", ["twice", "half"], ["features"]),
        node("Transpose", ["features"], ["frames"], perm=[0, 2, 1]),
        node("Sub", ["samples", "field"], ["rest"]),
        node("Div", ["rest", "hop"], ["more"]),
        node("Add", ["more", "step"], ["count"]),
        node("Shape", ["frames"], ["width"], start=1, end=2),
        node("Squeeze", ["width"], ["longest"]),
        node("Range", ["zero", "longest", "step"], ["index"]),
        node("Unsqueeze", ["count", "last"], ["counts"]),
        node("Less", ["index", "counts"], ["own"]),
        node("Cast", ["own"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "behind"], ["masks"]),
        node("Mul", ["frames", "masks"], ["kept"]),
        node("ReduceSum", ["kept", "last"], ["sum"], keepdims=0),
        node("Cast", ["counts"], ["divisor"], to=TensorProto.FLOAT),
        node("Div", ["sum", "divisor"], ["embedding"]),
    ]
    shapes: dict[str, list[str | int]] = {"embedding": ["B", DIM], "frames": ["B", "T", DIM]}
    if head:
        nodes += [
            node("MatMul", ["embedding", "head"], ["logits"]),
            node("MatMul", ["frames", "head"], ["frame_logits"]),
        ]
        shapes |= {"logits": ["B", len(LABELS)], "frame_logits": ["B", "T", len(LABELS)]}
    values = [numpy_helper.from_array(v, k) for k, v in arrays.items() if head or k != "head"]
    values += [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in (whole | lists).items()]
    sources = [
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["B", "N"]),
        helper.make_tensor_value_info("samples", TensorProto.INT64, ["B"]),
    ]
    targets = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()]
    made = helper.make_graph(nodes, "speech", sources, targets, values)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def figures(**changes: Any) -> Int8Figures:
    """Good figures of an int8 graph, measured on a CPU like this one."""
    from emotrace.models.cpu import cpu_name, int8_instructions

    given: dict[str, Any] = {
        "utterance_agreement": 1.0,
        "frame_agreement": 0.995,
        "utterance_change": 0.01,
        "frame_change": 0.02,
        "speed_ratio": 2.0,
        "clips": 20,
        "speech": "made by formula",
        "cpu": cpu_name(),
        "instructions": int8_instructions(),
        "runtime": "onnxruntime",
        **changes,
    }
    return Int8Figures(**given)


def speech_card(**changes: Any) -> dict[str, Any]:
    """The fields of a valid card of the family but ``files``."""
    return card(
        **{
            "name": "speech",
            "family": "emotion2vec",
            "network": NETWORK,
            "frame_hop": 0.02,
            "frame_size": DIM,
            "embedding_size": DIM,
            "min_seconds": 0.025,
            "max_seconds": 60.0,
            "reference_size": 0,
            "graphs": {"fp32": "model.onnx"},
            "track": {"window": 1.5, "hop": 0.5},
            **changes,
        }
    )


def speech_package(folder: Path, *, head: bool = True, quantised: bool = False, **changes: Any) -> ModelCard:
    """Write a package around :func:`speech_graph`, its weights in a file of their own.

    Args:
        folder: made.
        head: whether it classifies.
        quantised: whether there is a second graph, which says nearly the same.
        **changes: fields of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {"fp32": "model.onnx"} | ({"int8": "model.int8.onnx"} if quantised else {})
    for precision, name in names.items():
        made = speech_graph(head, noise=0.001 if precision == "int8" else 0.0)
        onnx.save(
            made, folder / name, save_as_external_data=True, location=f"{name}.data", size_threshold=256
        )
    given: dict[str, Any] = {
        "graphs": names,
        "external": {name: (f"{name}.data",) for name in names.values()},
        "labels": LABELS if head else (),
        "int8": figures() if quantised else None,
        **changes,
    }
    return seal_package(folder, speech_card(**given))


def torch_package(folder: Path, *, head: bool = True, **changes: Any) -> ModelCard:
    """Write a package with weights for the torch network only, tiny and random."""
    from safetensors.torch import save_file

    from tests.models.checkpoints import TINY, random_weights

    folder.mkdir(parents=True, exist_ok=True)
    save_file(random_weights(TINY, head=head), folder / "weights.safetensors")
    given: dict[str, Any] = {
        "graphs": {},
        "weights": "weights.safetensors",
        "network": TINY,
        "frame_size": TINY.embed_dim,
        "embedding_size": TINY.embed_dim,
        "labels": LABELS if head else (),
        **changes,
    }
    return seal_package(folder, speech_card(**given))


def graph_package(folder: Path) -> ModelCard:
    """Write a package with the real graphs of the tiny network, fp32 and int8, and its weights for torch."""
    from safetensors.torch import save_file

    from emotrace.models.emotion2vec_graph import write_graph
    from emotrace.models.quantization import write_int8_graph
    from tests.models.checkpoints import TINY, random_weights

    folder.mkdir(parents=True, exist_ok=True)
    tensors = random_weights(TINY)
    save_file(tensors, folder / "weights.safetensors")
    weights = {name: np.asarray(value.numpy(), np.float32) for name, value in tensors.items()}
    fp32, *behind = write_graph(TINY, weights, folder)
    int8, *behind_int8 = write_int8_graph(TINY, weights, folder)
    return seal_package(
        folder,
        speech_card(
            graphs={"fp32": fp32, "int8": int8},
            external={fp32: tuple(behind), int8: tuple(behind_int8)},
            weights="weights.safetensors",
            network=TINY,
            frame_size=TINY.embed_dim,
            embedding_size=TINY.embed_dim,
            int8=figures(),
        ),
    )
