"""Small networks with random weights, and the recipe of one."""

from __future__ import annotations

import torch

from emotrace.models.compact_network import Crnn
from emotrace.training.corpora import Store
from emotrace.training.recipe import Recipe

SMALL = Recipe(
    passes=2,
    draws_per_pass=24,
    batch=8,
    mel_channels=(4, 4, 8, 8),
    pitch_channels=(4, 4, 4, 4),
    width=16,
    hidden=8,
    crop=(0.4, 0.9),
)


def training_clips(store: Store) -> list[int]:
    """Indices of the clips that may be trained on."""
    return [i for i, c in enumerate(store.clips) if c.split == "train"]


def network(seed: int) -> Crnn:
    """A small network with random weights, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Crnn((8, 8, 16, 16), (4, 4, 8, 8), width=48, hidden=24).eval()
        for layer in made.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):  # as after training: not the identity
                layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
                layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return made
