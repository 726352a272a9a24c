"""The int8 graph, and the measurement that tells whether it may be offered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace.models.card import Int8Figures
from emotrace.models.emotion2vec_graph import write_graph
from emotrace.models.quantization import measure, quantise, sample_clips, write_int8_graph
from emotrace.results import Array
from tests.models.checkpoints import TINY
from tests.models.test_emotion2vec_graph import LONG, noise, run, session, weights_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both")
    write_graph(TINY, weights_of(TINY), folder)
    write_int8_graph(TINY, weights_of(TINY), folder)
    return folder


def speech() -> list[Array]:
    return sample_clips((0.5, 1.0, 3.0), copies=1)


@given(arrays(np.float32, (7, 3), elements=st.floats(-1e3, 1e3, width=32)))
def test_an_integer_is_never_further_off_than_half_a_step(weight: Array) -> None:
    integers, scale = quantise(weight, 0)
    assert integers.dtype == np.int8
    assert scale.shape == (1, 3)
    assert integers.min() >= -127
    assert (np.abs(integers * scale - weight) <= scale * 0.501).all()


def test_the_graph_is_small_and_its_weights_are_integers(folder: Path) -> None:
    fp32, int8 = ((folder / name).stat().st_size for name in ("model.onnx.data", "model.int8.onnx.data"))
    assert int8 < fp32
    model = onnx.load(folder / "model.int8.onnx", load_external_data=False)
    integers = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    blocks, convolutions = TINY.blocks, len(TINY.conv_layers) - 1
    assert len(integers) == blocks * 6 + convolutions + TINY.conv_pos_depth + 1


@pytest.mark.parametrize("samples", [400, 16_000, LONG])
def test_it_says_nearly_the_same(folder: Path, samples: int) -> None:
    exact, rough = (run(session(folder / f"model{kind}.onnx"), [noise(samples)]) for kind in ("", ".int8"))
    assert {name: value.shape for name, value in exact.items()} == {n: v.shape for n, v in rough.items()}
    error = np.linalg.norm(rough["frames"] - exact["frames"]) / np.linalg.norm(exact["frames"])
    assert 0 < error < 0.15


def test_the_careful_graph_is_nearer(folder: Path, tmp_path: Path) -> None:
    write_int8_graph(TINY, weights_of(TINY), tmp_path, careful=True)
    exact = run(session(folder / "model.onnx"), [noise(48_000)])["frames"]
    errors = [
        np.linalg.norm(run(session(f / "model.int8.onnx"), [noise(48_000)])["frames"] - exact)
        for f in (tmp_path, folder)
    ]
    assert 0 < errors[0] < 0.7 * errors[1]


def test_one_clip_at_a_time_has_no_memory(folder: Path) -> None:
    loaded = session(folder / "model.int8.onnx")
    first = run(loaded, [noise(20_000)])
    run(loaded, [100 * noise(50_000, seed=1)])
    for name, value in run(loaded, [noise(20_000)]).items():
        np.testing.assert_array_equal(value, first[name])


def test_a_graph_agrees_with_itself(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    figures = measure(
        folder / "model.onnx", folder / "model.onnx", speech(), on_progress=lambda *step: told.append(step)
    )
    assert (figures.utterance_agreement, figures.frame_agreement) == (1, 1)
    assert (figures.utterance_change, figures.frame_change) == (0, 0)
    assert figures.within_bound
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert figures.clips == 3


def test_what_int8_is_off_is_what_its_probabilities_are(folder: Path) -> None:
    figures = measure(folder / "model.onnx", folder / "model.int8.onnx", speech(), speech="the sample")
    largest, same = 0.0, []
    for clip in speech():
        exact, rough = (
            run(session(folder / f"model{kind}.onnx"), [clip])["frame_logits"][0].astype(float)
            for kind in ("", ".int8")
        )
        shares = [np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (exact, rough)]
        largest = max(largest, np.abs(shares[0] - shares[1]).max())
        same += list(exact.argmax(1) == rough.argmax(1))
    assert figures.frame_change == pytest.approx(largest, abs=1e-6)
    assert figures.frame_agreement == pytest.approx(np.mean(same))
    assert 0 < figures.utterance_change <= 1
    assert figures.speech == "the sample"
    assert figures.speed_ratio > 0


def test_a_graph_of_something_else_is_outside_the_bound(folder: Path, tmp_path: Path) -> None:
    broken = weights_of(TINY)
    broken["proj.weight"] = np.roll(broken["proj.weight"], 1, axis=0)
    write_int8_graph(TINY, broken, tmp_path)
    figures = measure(folder / "model.onnx", tmp_path / "model.int8.onnx", speech())
    assert not figures.within_bound
    assert figures.frame_change > Int8Figures.model_fields["largest_change"].default


def test_without_a_head_embeddings_are_compared(tmp_path: Path) -> None:
    weights = weights_of(TINY, head=False)
    write_graph(TINY, weights, tmp_path)
    write_int8_graph(TINY, weights, tmp_path)
    same = measure(tmp_path / "model.onnx", tmp_path / "model.onnx", speech())
    assert same.within_bound
    assert same.frame_change < 1e-6
    figures = measure(tmp_path / "model.onnx", tmp_path / "model.int8.onnx", speech())
    assert 1e-6 < figures.utterance_change < 0.03


def test_clips_that_are_longer_than_what_tells_the_speed(folder: Path) -> None:
    figures = measure(folder / "model.onnx", folder / "model.onnx", [noise(100_000)])
    assert figures.speed_ratio > 0


def test_the_shipped_speech_has_every_length_and_is_never_silent() -> None:
    clips = sample_clips((0.5, 2.0, 30.0), copies=2)
    assert [len(clip) for clip in clips] == [8000, 8000, 32_000, 32_000, 480_000]
    assert all(np.abs(clip).max() > 0.01 for clip in clips)
    assert all(clip.dtype == np.float32 for clip in clips)
    assert not np.array_equal(clips[0], clips[1])
