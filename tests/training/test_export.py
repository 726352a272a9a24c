"""The exported graph says what the networks say, for any length and any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from emotrace.labels import LABELS
from emotrace.models.compact_network import BANDS, Crnn
from emotrace.models.package import ModelPackage, write_package
from emotrace.models.runtime import OnnxEncoder
from emotrace.results import Array
from emotrace.training.export import NAMES, Ensemble, export, halve_weights, prune, sizes
from tests.models.packages import card
from tests.voices import voice

LENGTHS = [1600, 1601, 1759, 4000, 16_000, 23_999, 80_000]


def reference(batch: int) -> Array:
    return np.random.default_rng(0).normal(0, 1, (batch, 2 * BANDS)).astype(np.float32)


def run(graph: bytes, waveform: Array, given: Array | None = None) -> dict[str, Array]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    batch = len(waveform)
    feed = {
        "waveform": waveform,
        "reference": np.zeros((batch, 2 * BANDS), np.float32) if given is None else given,
        "has_reference": np.full((batch, 1), float(given is not None), np.float32),
    }
    return dict(zip(NAMES, session.run(list(NAMES), feed), strict=True))


@torch.inference_mode()
def in_torch(networks: list[Crnn], waveform: Array, given: Array | None = None) -> dict[str, Array]:
    batch = len(waveform)
    spectrum = torch.zeros(batch, 2 * BANDS) if given is None else torch.from_numpy(given)
    there = torch.full((batch, 1), float(given is not None))
    outputs = Ensemble(networks).eval()(torch.from_numpy(waveform), spectrum, there)
    return {name: output.numpy() for name, output in zip(NAMES, outputs, strict=True)}


def difference(a: dict[str, Array], b: dict[str, Array]) -> float:
    assert {name: value.shape for name, value in a.items()} == {
        name: value.shape for name, value in b.items()
    }
    return max(float(np.abs(a[name] - b[name]).max()) for name in NAMES)


@pytest.fixture(scope="module")
def full_graph(networks: list[Crnn]) -> bytes:
    """The graph with its weights as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.training.export.halve_weights", lambda graph: None)
        return export(networks)


@pytest.mark.parametrize("samples", LENGTHS)
def test_the_graph_says_what_torch_says(full_graph: bytes, networks: list[Crnn], samples: int) -> None:
    waveform = np.stack([voice(samples, seed) for seed in range(2)])
    assert difference(run(full_graph, waveform), in_torch(networks, waveform)) < 1e-4
    given = reference(2)
    assert difference(run(full_graph, waveform, given), in_torch(networks, waveform, given)) < 1e-4


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_batch_of_any_size(full_graph: bytes, networks: list[Crnn], batch: int) -> None:
    waveform = np.stack([voice(8000, seed) for seed in range(batch)])
    together = run(full_graph, waveform, reference(batch))
    assert difference(together, in_torch(networks, waveform, reference(batch))) < 1e-4
    alone = [run(full_graph, waveform[i : i + 1], reference(batch)[i : i + 1]) for i in range(batch)]
    for name in NAMES:
        assert np.abs(np.concatenate([one[name] for one in alone]) - together[name]).max() < 1e-5


@pytest.mark.parametrize("samples", [1600, 16_000, 80_000])
def test_half_the_bits_hardly_change_the_probabilities(graph: bytes, full_graph: bytes, samples: int) -> None:
    waveform = np.stack([voice(samples, seed) for seed in range(3)])
    half, full = run(graph, waveform), run(full_graph, waveform)
    assert np.abs(np.exp(half["logits"]) - np.exp(full["logits"])).max() < 1e-2
    assert np.abs(np.exp(half["frame_logits"]) - np.exp(full["frame_logits"])).max() < 1e-2
    assert np.abs(half["spectrum"] - full["spectrum"]).max() < 1e-2
    assert len(graph) < len(full_graph)


def test_the_outputs_mean_what_they_should(graph: bytes, networks: list[Crnn]) -> None:
    out = run(graph, voice(16_000)[None])
    assert list(out) == list(NAMES)
    assert out["logits"].shape == (1, len(LABELS))
    assert out["frame_logits"].shape == (1, 25, len(LABELS))
    width = sizes(networks)
    assert out["embedding"].shape == (1, width["embedding_size"])
    assert out["frames"].shape == (1, 25, width["frame_size"])
    assert out["spectrum"].shape == (1, width["reference_size"])
    assert out["active_seconds"] == pytest.approx([1.0], abs=0.05)
    means = np.exp(out["logits"]).sum()  # the geometric mean of distributions sums to at most 1
    assert 0.5 < means <= 1 + 1e-5


def test_one_network_alone_is_an_ensemble(networks: list[Crnn]) -> None:
    waveform = voice(8000)[None]
    assert difference(run(export(networks[:1]), waveform), in_torch(networks[:1], waveform)) < 1e-2


def test_a_silent_part_at_the_end_changes_little(networks: list[Crnn]) -> None:
    """It is masked before the network, but its frames still stand in the recurrent layers' way."""
    clip = voice(24_000)
    longer = np.concatenate([clip, np.zeros(8000, np.float32)])
    a, b = in_torch(networks, clip[None]), in_torch(networks, longer[None])
    assert np.abs(a["spectrum"] - b["spectrum"]).max() < 0.1
    assert np.abs(np.exp(a["logits"]) - np.exp(b["logits"])).max() < 0.05
    assert a["active_seconds"] == pytest.approx(b["active_seconds"], abs=0.03)


def test_the_graph_is_a_package_that_runs(graph: bytes, networks: list[Crnn], tmp_path: Path) -> None:
    write_package(tmp_path, {"tiny.onnx": graph}, card(**sizes(networks)))
    waveforms = [voice(n, n) for n in (1600, 8000, 8000, 12_345)]
    encodings = OnnxEncoder(ModelPackage(tmp_path), threads=1).encode(waveforms)
    for waveform, encoding in zip(waveforms, encodings, strict=True):
        expected = in_torch(networks, waveform[None])
        assert np.abs(np.exp(encoding.logits) - np.exp(expected["logits"][0])).max() < 1e-2


def test_weights_that_must_stay_whole_do(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model)
    kinds = {w.name: (w.data_type, int(np.prod(w.dims))) for w in model.graph.initializer}
    halves = [name for name, (kind, _) in kinds.items() if kind == onnx.TensorProto.FLOAT16]
    assert halves
    assert not [name for name in halves if "kernels" in name]
    large = [n for n, (kind, size) in kinds.items() if kind == onnx.TensorProto.FLOAT and size >= 2048]
    assert all("kernels" in name for name in large)


def weights_graph(**weights: Array) -> onnx.ModelProto:
    helper = onnx.helper
    nodes = [helper.make_node("Add", ["x", name], [f"{name}.out"]) for name in weights]
    nodes += [
        helper.make_node("Neg", ["x.unread"], ["nothing"]),
        helper.make_node("Abs", ["x"], ["x.unread"]),
    ]
    kind = onnx.TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(f"{name}.out", kind, [len(w)]) for name, w in weights.items()]
    held = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    inputs = [helper.make_tensor_value_info("x", kind, [1])]
    opset = helper.make_opsetid("", 17)
    made = helper.make_graph(nodes, "weights", inputs, outputs, held)
    return helper.make_model(made, opset_imports=[opset], ir_version=9)


def test_halving_and_pruning_a_graph_by_hand() -> None:
    rng = np.random.default_rng(0)
    small, big, kernels = (rng.normal(size=n).astype(np.float32) for n in (100, 3000, 3000))
    model = weights_graph(small=small, big=big, kernels=kernels)
    prune(model)
    assert [node.op_type for node in model.graph.node] == ["Add", "Add", "Add"]
    halve_weights(model)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(["small.out", "big.out", "kernels.out"], {"x": np.zeros(1, np.float32)})
    assert np.array_equal(got[0], small)
    assert np.array_equal(got[1], big.astype(np.float16).astype(np.float32))
    assert np.array_equal(got[2], kernels)
