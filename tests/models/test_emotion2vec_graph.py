"""The ONNX graph does what the torch network does, padded or not, whatever the sizes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from emotrace.errors import MissingExtraError
from emotrace.models import emotion2vec_graph
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_graph import ROWS, write_graph
from emotrace.models.onnx_writing import Writer
from emotrace.results import Array
from tests.models.checkpoints import TINY, random_weights

torch = pytest.importorskip("torch")

FRAMES = 2e-5
"""How far a frame may be off the torch network."""

PADDING = 1e-5
"""How far a padded clip may be off the same clip alone."""


def weights_of(config: Emotion2vecConfig, head: bool = True) -> dict[str, Array]:
    return {name: value.numpy() for name, value in random_weights(config, head=head).items()}


def session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed_of(clips: Sequence[Array]) -> dict[str, Any]:
    waveform = np.zeros((len(clips), max(map(len, clips))), np.float32)
    for row, clip in zip(waveform, clips, strict=True):
        row[: len(clip)] = clip
    return {"waveform": waveform, "samples": np.array([len(clip) for clip in clips], np.int64)}


def run(loaded: Any, clips: Sequence[Array]) -> dict[str, Array]:
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(None, feed_of(clips)), strict=True))


def torch_run(
    config: Emotion2vecConfig, weights: dict[str, Array], clips: Sequence[Array], **options: Any
) -> Any:
    from emotrace.models.emotion2vec_network import Emotion2vec

    feed = feed_of(clips)
    with torch.inference_mode():
        network = Emotion2vec.from_weights(config, weights, **options)
        return network(torch.from_numpy(feed["waveform"]), torch.from_numpy(feed["samples"]))


def noise(samples: int, seed: int = 0) -> Array:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> dict[str, Array]:
    return weights_of(TINY)


@pytest.fixture(scope="module")
def tiny(weights: dict[str, Array], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tiny")
    return session(folder / write_graph(TINY, weights, folder)[0])


LONG = TINY.hop * (2 * ROWS + 7)
"""Samples of a clip that goes through the blocks in three pieces."""


@pytest.mark.parametrize("samples", [400, 719, 720, 8000, 8079, 8080, 8081, 47_123, LONG])
def test_every_length_is_what_the_torch_network_says(
    tiny: Any, weights: dict[str, Array], samples: int
) -> None:
    clip = noise(samples)
    found, expected = run(tiny, [clip]), torch_run(TINY, weights, [clip])
    assert found["frames"].shape == (1, TINY.frames(samples), TINY.embed_dim)
    for name in ("frames", "embedding", "logits", "frame_logits"):
        np.testing.assert_allclose(found[name], getattr(expected, name), atol=FRAMES, rtol=0)


@pytest.mark.parametrize("scores", [1, 4000, 5000])
def test_heads_in_groups_say_what_all_heads_together_say(
    tiny: Any, weights: dict[str, Array], scores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [noise(8000), noise(6000)]  # 2 x 6 x 27 x 27 scores: groups of one, two, three heads
    monkeypatch.setattr(emotion2vec_graph, "SCORES", scores)
    found, expected = (
        run(session(tmp_path / write_graph(TINY, weights, tmp_path)[0]), clips),
        run(tiny, clips),
    )
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_padded_batch_is_what_its_clips_are_alone(tiny: Any, order: int) -> None:
    clips = [noise(n, n) for n in (400, LONG, 16_000, 7999, 90_001)][::order]
    together = run(tiny, clips)
    for row, clip in enumerate(clips):
        alone, count = run(tiny, [clip]), TINY.frames(len(clip))
        for name in ("embedding", "logits"):
            np.testing.assert_allclose(together[name][row], alone[name][0], atol=PADDING, rtol=0)
        for name in ("frames", "frame_logits"):
            np.testing.assert_allclose(together[name][row, :count], alone[name][0], atol=PADDING, rtol=0)


def test_what_lies_behind_a_clip_changes_nothing(tiny: Any) -> None:
    feed = feed_of([noise(16_000), noise(32_000)])
    clean = tiny.run(["embedding"], feed)[0]
    feed["waveform"][0, 16_000:] = 5.0
    np.testing.assert_array_equal(tiny.run(["embedding"], feed)[0], clean)


def test_level_and_offset_are_taken_out(tiny: Any, weights: dict[str, Array]) -> None:
    clip = noise(160_000) * 0.1 + np.float32(0.3)
    found, expected = run(tiny, [clip]), torch_run(TINY, weights, [clip])
    np.testing.assert_allclose(found["frames"], expected.frames, atol=2e-4, rtol=0)  # 0.3 eats the digits
    silence = run(tiny, [np.zeros(16_000, np.float32)])
    assert np.isfinite(silence["frames"]).all()


def changed(**changes: Any) -> Emotion2vecConfig:
    return Emotion2vecConfig.model_validate(TINY.model_dump() | changes)


ODD = {
    "no extra tokens": changed(extra_tokens=0),
    "heads without a distance bias": changed(alibi_heads=2),
    "one head": changed(heads=1, alibi_heads=1),
    "even positional kernel": changed(conv_pos_width=32, conv_pos_depth=4),
    "waveform as it is": changed(normalize=False),
    "wide kernels": changed(conv_layers=((8, 10, 5), (8, 7, 2), (8, 6, 3))),
    "gaps between windows": changed(conv_layers=((8, 3, 5), (8, 2, 4))),
    "windows side by side": changed(conv_layers=((8, 40, 40), (8, 4, 2), (8, 2, 2))),
    "one block": changed(prenet_depth=0, depth=1),
    "narrow blocks": changed(mlp_ratio=1.0, conv_pos_groups=1),
}


@pytest.mark.parametrize("config", ODD.values(), ids=ODD)
def test_other_sizes(config: Emotion2vecConfig, tmp_path: Path) -> None:
    weights = weights_of(config)
    clips = [noise(9000), noise(4001)]
    found = run(session(tmp_path / write_graph(config, weights, tmp_path)[0]), clips)
    expected = torch_run(config, weights, clips)
    for row, clip in enumerate(clips):
        count = config.frames(len(clip))
        np.testing.assert_allclose(
            found["frames"][row, :count], expected.frames[row, :count], atol=FRAMES, rtol=0
        )
    np.testing.assert_allclose(found["logits"], expected.logits, atol=FRAMES, rtol=0)


def test_masked_classes_are_never_the_answer(weights: dict[str, Array], tmp_path: Path) -> None:
    loaded = session(tmp_path / write_graph(TINY, weights, tmp_path, masked=[1, 7])[0])
    found, expected = run(loaded, [noise(16_000)]), torch_run(TINY, weights, [noise(16_000)], masked=[1, 7])
    for name in ("logits", "frame_logits"):
        np.testing.assert_allclose(found[name], getattr(expected, name), atol=FRAMES, rtol=0)
        shares = np.exp(found[name] - found[name].max(-1, keepdims=True))
        assert not shares[..., [1, 7]].any()


def test_without_a_head_there_are_embeddings_only(tmp_path: Path) -> None:
    weights = weights_of(TINY, head=False)
    found = run(session(tmp_path / write_graph(TINY, weights, tmp_path)[0]), [noise(16_000)])
    assert set(found) == {"embedding", "frames"}
    np.testing.assert_allclose(found["embedding"], found["frames"].mean(1), atol=1e-6)


def test_weights_lie_beside_the_graph_where_they_can_be_mapped(
    weights: dict[str, Array], tmp_path: Path
) -> None:
    names = write_graph(TINY, weights, tmp_path, name="other.onnx")
    assert names == ["other.onnx", "other.onnx.data"]
    assert {file.name for file in tmp_path.iterdir()} == set(names)
    model = onnx.load(tmp_path / names[0], load_external_data=False)
    outside = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    assert len(outside) > 20
    for tensor in outside:
        where = {entry.key: entry.value for entry in tensor.external_data}
        assert where["location"] == names[1]
        assert int(where["offset"]) % 4096 == 0
    onnx.checker.check_model(str(tmp_path / names[0]))


def test_onnx_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"needs onnx, which is not installed; pip install"):
        Writer()


def test_a_name_stands_for_one_constant() -> None:
    g = Writer()
    assert g.const(np.zeros(3, np.float32), "weight") == g.const(np.zeros(3, np.float32), "weight")
    with pytest.raises(ValueError, match="two different constants are called 'weight'"):
        g.const(np.ones(3, np.float32), "weight")
