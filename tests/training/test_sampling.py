"""Batches are valid whatever is drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.models.compact_network import BANDS, CLASSES, STRIDE
from emotrace.training.corpora import Store
from emotrace.training.sampling import Sampler
from tests.training.nets import SMALL, training_clips


@pytest.mark.parametrize("stitched", [False, True])
@given(seed=st.integers(0, 2**31))
@settings(max_examples=12, deadline=None)
def test_any_batch_is_valid(store: Store, stitched: bool, seed: int) -> None:
    sampler = Sampler(store, training_clips(store), dataclasses.replace(SMALL, seed=seed))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        values, mask, targets, frame_targets, weight = sampler.batch(stitched)
    batch, frames = mask.shape
    steps = -(-frames // STRIDE)
    assert 40 <= frames <= 90
    assert values.shape == (SMALL.batch, 2, frames, 2 * BANDS)
    assert targets.shape == (batch, CLASSES)
    assert frame_targets.shape == (batch, steps, CLASSES)
    assert weight.shape == (batch, steps)
    for part in (values, mask, targets, frame_targets, weight):
        assert torch.isfinite(part).all()
    assert targets.sum(1) == pytest.approx(np.ones(batch), abs=1e-5)
    assert frame_targets.sum(2).numpy() == pytest.approx(np.ones((batch, steps)), abs=1e-5)
    assert (targets >= 0).all()
    assert set(mask.flatten().tolist()) <= {0.0, 1.0}
    assert (weight.sum(1) > 0).all()
    assert targets == pytest.approx(frame_targets.mean(1).numpy(), abs=1e-5)


def test_stitched_batches_change_their_emotion_once(store: Store) -> None:
    sampler = Sampler(store, training_clips(store), SMALL)
    *_, frame_targets, _ = sampler.batch(stitched=True)
    changes = (frame_targets.argmax(2).diff(dim=1) != 0).sum(1)
    assert (changes <= 1).all()
    assert (changes == 1).any()


def test_nothing_but_the_chosen_clips_is_drawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = training_clips(store)
    sampler = Sampler(store, chosen, SMALL)
    drawn = set()
    crops = sampler._crops

    def noted(clips: list[int], frames: int) -> torch.Tensor:
        drawn.update(clips)
        return crops(clips, frames)

    monkeypatch.setattr(sampler, "_crops", noted)
    references = {i for clips in sampler.clips_of.values() for i in clips}
    for stitched in (False, True, False, True):
        sampler.batch(stitched)
    assert drawn <= set(chosen)
    assert references <= set(chosen)


def test_corpora_are_drawn_by_their_weight(store: Store) -> None:
    recipe = dataclasses.replace(SMALL, weights={"emodb": 0.9, "synthetic": 0.1})
    sampler = Sampler(store, training_clips(store), recipe)
    drawn = [store.clips[i].corpus for i in sampler._choose(600)]
    assert set(drawn) == {"emodb", "synthetic"}
    assert drawn.count("emodb") / 600 == pytest.approx(0.9, abs=0.05)


def test_two_samplers_of_one_seed_draw_the_same(store: Store) -> None:
    batches = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            batches.append(Sampler(store, training_clips(store), SMALL).batch(stitched=False))
    assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))
