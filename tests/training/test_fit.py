"""Training learns from batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emotrace.models.compact_network import CLASSES
from emotrace.training.corpora import Store
from emotrace.training.fit import cross_entropy, train
from emotrace.training.sampling import functional_one_hot
from emotrace.training.validation import predict
from tests.training.nets import SMALL, training_clips


def test_the_loss_is_least_for_the_truth_and_smoothing_is_shared_evenly() -> None:
    targets = functional_one_hot(torch.tensor([0, 3]))
    right, wrong = 20 * targets, 20 * targets.flip(0)
    assert (cross_entropy(right, targets, 0.0) < 1e-3).all()
    assert (cross_entropy(wrong, targets, 0.0) > 10).all()
    even = torch.zeros(2, CLASSES)
    assert cross_entropy(even, targets, 0.1) == pytest.approx([np.log(9), np.log(9)], abs=1e-5)


def test_training_gives_a_network_that_can_be_used(store: Store) -> None:
    with torch.random.fork_rng():
        trained = train(store, training_clips(store), SMALL, report=lambda line: None)
    assert not trained.training
    assert all(torch.isfinite(value).all() for value in trained.state_dict().values())
    logits = predict(trained, store, [0, 1, 2], None)
    assert logits.shape == (3, CLASSES)
    assert np.isfinite(logits).all()
