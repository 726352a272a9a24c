"""The network agrees with FunASR's, and a batch gives what its clips give one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_network import Emotion2vec, Output
from tests.models.checkpoints import LARGE, TINY, noise, random_weights, weights_sum

GOLDEN = Path(__file__).parent / "golden" / "emotion2vec_tiny.npz"
WEIGHTS = random_weights(TINY)
NETWORK = Emotion2vec.from_weights(TINY, WEIGHTS)


def run(*clips: torch.Tensor, network: Emotion2vec = NETWORK, behind: float = 0.0) -> Output:
    """A batch of clips; ``behind`` stands in the padding."""
    padded = torch.full((len(clips), max(map(len, clips))), behind)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    with torch.inference_mode():
        output: Output = network(padded, torch.tensor([len(clip) for clip in clips]))
    return output


def scores_of(output: Output) -> torch.Tensor:
    """Probabilities of the first clip."""
    assert output.logits is not None
    return torch.softmax(output.logits[0], 0)


def clip(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(noise(samples / 16_000, seed))


def test_it_says_what_funasr_says() -> None:
    with np.load(GOLDEN) as golden:
        assert golden["weights_sum"] == weights_sum(WEIGHTS), (
            "the random weights are others than those of the golden file; run scripts/make_parity_golden.py"
        )
        for i, samples in enumerate(golden["samples"]):
            output = run(clip(int(samples), seed=i))
            assert output.frames[0].numpy() == pytest.approx(golden[f"frames_{i}"], abs=2e-5)
            assert scores_of(output).numpy() == pytest.approx(golden[f"scores_{i}"], abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(400, 9_000), min_size=1, max_size=6),
    st.sampled_from([0.0, 1.0, -50.0]),
    st.integers(0, 99),
)
def test_a_batch_equals_one_by_one(lengths: list[int], behind: float, seed: int) -> None:
    clips = [clip(n, seed + i) for i, n in enumerate(lengths)]
    together = run(*clips, behind=behind)
    assert together.logits is not None and together.frame_logits is not None
    for i, one in enumerate(clips):
        alone, count = run(one), TINY.frames(len(one))
        assert alone.logits is not None and alone.frame_logits is not None
        assert int(together.lengths[i]) == count == alone.frames.shape[1]
        pairs = [
            (together.frames[i, :count], alone.frames[0]),
            (together.embedding[i], alone.embedding[0]),
            (together.logits[i], alone.logits[0]),
            (together.frame_logits[i, :count], alone.frame_logits[0]),
        ]
        for a, b in pairs:
            assert float((a - b).abs().max()) <= 1e-5 * max(1.0, float(b.abs().max()))


def test_the_order_changes_nothing() -> None:
    clips = [clip(n, n) for n in (4_000, 400, 16_000)]
    forward, backward = run(*clips), run(*clips[::-1])
    assert forward.embedding.numpy() == pytest.approx(backward.embedding.flip(0).numpy(), abs=1e-5)


def test_gain_and_offset_change_nothing() -> None:
    quiet = clip(8_000)
    assert run(100 * quiet + 7).frames.numpy() == pytest.approx(run(10 * quiet).frames.numpy(), abs=3e-3)


def test_the_embedding_is_the_mean_frame_and_the_head_is_linear() -> None:
    output = run(clip(16_000))
    assert output.logits is not None and output.frame_logits is not None
    assert output.embedding[0].numpy() == pytest.approx(output.frames[0].mean(0).numpy(), abs=1e-6)
    assert output.logits[0].numpy() == pytest.approx(output.frame_logits[0].mean(0).numpy(), abs=1e-5)


def test_the_parameters_have_the_published_names() -> None:
    audio = "modality_encoders.AUDIO."
    names = {audio + name for name in ("extra_tokens", "alibi_scale")}
    names |= {f"{audio}local_encoder.conv_layers.{i}.0.weight" for i in range(7)}
    names |= {f"{audio}local_encoder.conv_layers.{i}.2.1.{p}" for i in range(7) for p in ("weight", "bias")}
    names |= {f"{audio}project_features.{i}.{p}" for i in (1, 2) for p in ("weight", "bias")}
    names |= {
        f"{audio}relative_positional_encoder.{i}.0.{p}" for i in range(1, 6) for p in ("weight", "bias")
    }
    names |= {f"{audio}context_encoder.norm.{p}" for p in ("weight", "bias")}
    blocks = [f"{audio}context_encoder.blocks.{i}" for i in range(4)] + [f"blocks.{i}" for i in range(8)]
    parts = ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    names |= {f"{block}.{part}.{p}" for block in blocks for part in parts for p in ("weight", "bias")}
    names |= {"proj.weight", "proj.bias"}
    with torch.device("meta"):
        network = Emotion2vec(LARGE)
    assert network.state_dict().keys() == names
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(162e6, rel=0.01)


def test_weights_are_shared_not_copied() -> None:
    network = Emotion2vec.from_weights(TINY, WEIGHTS)
    assert all(value.data_ptr() == WEIGHTS[name].data_ptr() for name, value in network.state_dict().items())


def test_without_a_head_there_are_embeddings_only() -> None:
    network = Emotion2vec.from_weights(TINY, random_weights(TINY, head=False))
    output = run(clip(1_600), network=network)
    assert output.logits is None and output.frame_logits is None
    assert output.embedding.shape == (1, TINY.embed_dim)


def test_masked_classes_have_probability_nought() -> None:
    output = run(clip(1_600), network=Emotion2vec.from_weights(TINY, WEIGHTS, masked=[1, 5]))
    scores, plain = scores_of(output), scores_of(run(clip(1_600))).clone()
    assert scores[[1, 5]].tolist() == [0, 0]
    plain[[1, 5]] = 0
    assert scores.numpy() == pytest.approx((plain / plain.sum()).numpy())


def test_a_negative_distance_scale_counts_as_nought() -> None:
    name = "modality_encoders.AUDIO.alibi_scale"
    assert bool((WEIGHTS[name] < 0).any())
    clamped = Emotion2vec.from_weights(TINY, {**WEIGHTS, name: WEIGHTS[name].clamp(min=0)})
    assert torch.equal(run(clip(8_000), network=clamped).frames, run(clip(8_000)).frames)


def test_an_even_positional_kernel_keeps_the_number_of_frames() -> None:
    config = TINY.model_copy(update={"conv_pos_width": 30})
    network = Emotion2vec.from_weights(config, random_weights(config))
    together = run(clip(8_000), clip(4_000, 1), network=network)
    alone = run(clip(4_000, 1), network=network)
    assert config.conv_pos_kernel == 6
    assert together.embedding[1].numpy() == pytest.approx(alone.embedding[0].numpy(), abs=1e-5)


def test_without_normalisation_gain_counts() -> None:
    config = TINY.model_copy(update={"normalize": False})
    network = Emotion2vec.from_weights(config, WEIGHTS)
    quiet, loud = run(clip(8_000), network=network), run(10 * clip(8_000), network=network)
    assert float((quiet.frames - loud.frames).abs().max()) > 1e-3


def test_half_the_digits_are_near() -> None:
    network = Emotion2vec.from_weights(TINY, WEIGHTS).to(torch.bfloat16)
    rough, fine = run(clip(8_000), clip(4_000), network=network), run(clip(8_000), clip(4_000))
    assert rough.frames.dtype == torch.float32
    assert scores_of(rough).numpy() == pytest.approx(scores_of(fine).numpy(), abs=3e-2)


def test_a_network_without_extra_tokens_runs() -> None:
    config: Emotion2vecConfig = TINY.model_copy(update={"extra_tokens": 0})
    network = Emotion2vec.from_weights(config, random_weights(config))
    together, alone = run(clip(8_000), clip(400), network=network), run(clip(400), network=network)
    assert together.embedding[1].numpy() == pytest.approx(alone.embedding[0].numpy(), abs=1e-5)


def test_weights_travel_as_numpy_too() -> None:
    network = Emotion2vec.from_weights(TINY, {name: value.numpy() for name, value in WEIGHTS.items()})
    assert torch.equal(run(clip(1_600), network=network).frames, run(clip(1_600)).frames)
