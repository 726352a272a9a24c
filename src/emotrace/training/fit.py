"""Training of one compact network on the feature store."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from emotrace.models.compact_network import CLASSES, Crnn
from emotrace.training.corpora import Store
from emotrace.training.recipe import Recipe
from emotrace.training.sampling import Sampler


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy (...) of logits (..., 9) and soft targets (..., 9), with label smoothing 0 to 1."""
    targets = targets * (1 - smoothing) + smoothing / CLASSES
    return -(targets * torch.log_softmax(logits.float(), -1)).sum(-1)


def new_network(recipe: Recipe) -> Crnn:
    """An untrained network of the recipe's shape."""
    return Crnn(recipe.mel_channels, recipe.pitch_channels, recipe.width, recipe.hidden, recipe.dropout)


def train(
    store: Store,
    chosen: Sequence[int],
    recipe: Recipe,
    report: Callable[[str], None] = print,
    start: Crnn | None = None,
    device: str = "cpu",
) -> Crnn:
    """Train a network on the chosen clips and return it with averaged weights, in evaluation mode.

    Args:
        store: features of all clips.
        chosen: indices of the clips to train on.
        recipe: see :class:`Recipe`.
        report: gets a line every few passes.
        start: weights to go on from; new ones if None.
        device: ``"cpu"``, or ``"cuda"`` (minutes instead of an hour; other random numbers).
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        return _train(store, chosen, recipe, report, start, device)


def _train(
    store: Store,
    chosen: Sequence[int],
    recipe: Recipe,
    report: Callable[[str], None],
    start: Crnn | None,
    device: str,
) -> Crnn:
    network = new_network(recipe)
    if start is not None:
        network.load_state_dict(start.state_dict())
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # a sixth faster on CPUs
    averaged = copy.deepcopy(network)
    sampler = Sampler(store, chosen, recipe, device)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.decay)
    steps = recipe.passes * recipe.draws_per_pass // recipe.batch
    warm = max(1, int(steps * recipe.warm_up))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda s: min(1.0, (s + 1) / warm) * 0.5 * (1 + np.cos(np.pi * min(1.0, s / steps))),
    )
    started, running = time.monotonic(), torch.zeros(())
    for step in range(steps):
        stitched = step >= steps * recipe.stitched_from and step % 2 == 0
        values, mask, targets, frame_targets, weight = sampler.batch(stitched)
        with torch.autocast(device, torch.bfloat16):
            out = network(values.contiguous(memory_format=torch.channels_last), mask)
        loss = cross_entropy(out.logits, targets, recipe.smoothing).mean()
        frame = cross_entropy(out.frame_logits, frame_targets, recipe.smoothing)
        loss = loss + recipe.frame_loss * (frame * weight).sum() / weight.sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 3.0)
        optimiser.step()
        schedule.step()
        keep = min(recipe.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for old, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
                if old.is_floating_point():
                    old.lerp_(new, 1 - keep)
                else:
                    old.copy_(new)
        running = loss.detach() if step == 0 else running + (loss.detach() - running) * 0.02
        if (step + 1) % 375 == 0:
            report(f"step {step + 1}/{steps} loss {float(running):.3f} {time.monotonic() - started:.0f} s")
    return averaged.cpu().eval()
