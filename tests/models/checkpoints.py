"""Random-weight checkpoints in the published format, of any size: model.pt, config.yaml, tokens.txt."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from emotrace.labels import LABELS
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_network import Emotion2vec

TINY = Emotion2vecConfig(
    embed_dim=24,
    heads=6,
    alibi_heads=6,
    prenet_depth=2,
    depth=2,
    conv_layers=((16, 10, 5), *((16, 3, 2),) * 4, *((16, 2, 2),) * 2),
    conv_pos_width=35,
    conv_pos_groups=4,
    extra_tokens=3,
)
BASE = Emotion2vecConfig(embed_dim=768, heads=12, alibi_heads=12, prenet_depth=4, depth=8)
LARGE = Emotion2vecConfig(embed_dim=1024, heads=16, alibi_heads=16, prenet_depth=4, depth=8)

TOKENS = (
    "生气/angry 厌恶/disgusted 恐惧/fearful 开心/happy 中立/neutral 其他/other 难过/sad 吃惊/surprised <unk>"
)
OLD_TOKENS = "生气/angry unuse_0 unuse_1 开心/happy 中立/neutral unuse_2 难过/sad unuse_3 <unk>"


def random_weights(config: Emotion2vecConfig, seed: int = 0, *, head: bool = True) -> dict[str, torch.Tensor]:
    """Weights as a fresh network has them, with norms, tokens and distance scales moved off their start.

    Some distance scales are negative: the network takes those as 0. The numbers come from NumPy, so that they
    are the same with every version of torch.
    """
    with torch.device("meta"):
        shapes = {
            k: tuple(v.shape) for k, v in Emotion2vec(config, len(LABELS) if head else 0).state_dict().items()
        }
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        fan_in = (
            np.prod(shapes[name.removesuffix("bias") + "weight"][1:])
            if name.endswith("bias")
            else np.prod(shape[1:])
        )
        if name.endswith("extra_tokens"):
            value = rng.standard_normal(shape, np.float32)
        elif name.endswith("alibi_scale"):
            value = 2.2 * rng.random(shape, np.float32) - 0.2
        elif "norm" in name or ".2.1." in name or "project_features.1" in name:
            value = 0.03 * rng.standard_normal(shape, np.float32) + name.endswith("weight")
        elif "conv_layers" in name:  # Kaiming's
            value = rng.standard_normal(shape, np.float32) * np.sqrt(2 / fan_in)
        else:
            value = (2 * rng.random(shape, np.float32) - 1) / np.sqrt(fan_in)
        weights[name] = torch.from_numpy(value.astype(np.float32) * (3 if name == "proj.weight" else 1))
    return weights


def weights_sum(weights: dict[str, torch.Tensor]) -> float:
    """By which other weights are told; added one by one, because sum() is more exact since Python 3.12."""
    return reduce(add, (float(weight.double().abs().sum()) for weight in weights.values()), 0.0)


def config_yaml(config: Emotion2vecConfig, *, head: bool = True, **changes: Any) -> str:
    """The published ``config.yaml`` of a network; ``changes`` go into ``model_conf``."""
    audio = {
        "type": "AUDIO",
        "prenet_depth": config.prenet_depth,
        "prenet_layerdrop": 0.05,
        "prenet_dropout": 0.1,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_extra_tokens": config.extra_tokens,
        "init_extra_token_zero": True,
        "mask_noise_std": 0.01,
        "mask_prob_min": None,
        "mask_prob": 0.5,
        "mask_length": 5,
        "encoder_zero_mask": True,
        "mask_channel_prob": 0.0,
        "mask_channel_length": 64,
        "local_grad_mult": 1.0,
        "use_alibi_encoder": True,
        "alibi_scale": 1.0,
        "learned_alibi": False,
        "alibi_max_pos": None,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": False,
        "num_alibi_heads": config.alibi_heads,
        "model_depth": config.depth,
        "decoder": {
            "decoder_dim": 384,
            "decoder_groups": config.conv_pos_groups,
            "decoder_kernel": 7,
            "decoder_layers": 4,
            "input_dropout": 0.1,
            "add_positions_masked": False,
            "add_positions_all": False,
            "decoder_residual": True,
            "projection_layers": 1,
            "projection_ratio": 2.0,
        },
        "extractor_mode": "layer_norm",
        "feature_encoder_spec": " + ".join(f"[{layer}]" for layer in config.conv_layers),
        "conv_pos_width": config.conv_pos_width,
        "conv_pos_groups": config.conv_pos_groups,
        "conv_pos_depth": config.conv_pos_depth,
        "conv_pos_pre_ln": False,
    }
    conf = {
        "loss_beta": 0.0,
        "loss_scale": None,
        "depth": config.depth,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_heads": config.heads,
        "norm_eps": config.norm_eps,
        "norm_affine": True,
        "encoder_dropout": 0.1,
        "post_mlp_drop": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "dropout_input": 0.0,
        "layerdrop": 0.05,
        "embed_dim": config.embed_dim,
        "mlp_ratio": config.mlp_ratio,
        "layer_norm_first": False,
        "average_top_k_layers": config.depth,
        "end_of_block_targets": False,
        "clone_batch": 8,
        "normalize": config.normalize,
        "modalities": {"audio": audio},
        **changes,
    }
    published: dict[str, Any] = {
        "model": "Emotion2vec",
        "model_conf": conf,
        "scope_map": ["d2v_model.", "none"],
    }
    if head:
        published["tokenizer"] = "CharTokenizer"
        published["tokenizer_conf"] = {"unk_symbol": "<unk>", "split_with_space": True}
    return str(yaml.safe_dump(published, allow_unicode=True))


def leftovers(seed: int, parameters: int) -> dict[str, Any]:
    """What training leaves in a checkpoint beside the weights; ``parameters`` numbers of optimiser state."""
    generator = torch.Generator().manual_seed(seed)
    moments = torch.randn(parameters, generator=generator)
    return {
        "args": None,
        "optimizer_history": [{"optimizer_name": "MemoryEfficientFP16Optimizer", "num_updates": 3}],
        "last_optimizer_state": {"state": {0: {"exp_avg": moments, "step": 3}}},
        "extra_state": {"epoch": 2},
    }


def write_checkpoint(
    folder: Path,
    config: Emotion2vecConfig = TINY,
    *,
    seed: int = 0,
    head: bool = True,
    tokens: str = TOKENS,
    prefix: str = "d2v_model.",
    weights: dict[str, torch.Tensor] | None = None,
    extra: dict[str, Any] | None = None,
    optimiser: int = 1000,
) -> Path:
    """Write a checkpoint folder.

    Args:
        folder: made.
        config: sizes.
        seed: of the weights.
        head: whether it classifies; without a head there is no ``tokens.txt``.
        tokens: the labels, with blanks between them.
        prefix: stands before every name but those of the head.
        weights: instead of random ones.
        extra: replaces or adds entries of the saved dictionary.
        optimiser: numbers of optimiser state in the file.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_weights(config, seed, head=head) if weights is None else weights
    state = {k if k.startswith("proj.") else prefix + k: v for k, v in weights.items()}
    decoder = prefix + "modality_encoders.AUDIO.decoder."
    state[decoder + "proj.weight"] = torch.zeros(config.embed_dim, 8)
    state[decoder + "blocks.0.0.bias"] = torch.zeros(8)
    content: dict[str, Any] = {"model": state, **leftovers(seed, optimiser)}
    if head:
        content["task_state"] = {"labels": {name: i for i, name in enumerate(LABELS)}}
        (folder / "tokens.txt").write_bytes("\n".join(tokens.split()).encode())
    torch.save({**content, **(extra or {})}, folder / "model.pt")
    (folder / "config.yaml").write_text(config_yaml(config, head=head), encoding="utf-8")
    return folder


def noise(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Gaussian noise of an uneven loudness, 16 kHz."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * 16_000)
    loudness = np.interp(np.arange(samples), np.linspace(0, samples, 9), rng.uniform(0.02, 0.3, 9))
    return (rng.standard_normal(samples) * loudness + 0.01).astype(np.float32)
