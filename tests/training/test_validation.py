from __future__ import annotations

import numpy as np

from emotrace.training.corpora import Store
from emotrace.training.validation import predict
from tests.training.nets import network


def test_a_reference_reaches_the_prediction(store: Store) -> None:
    chosen = [0, 1]
    alone = predict(network(0), store, chosen, None)
    compared = predict(network(0), store, chosen, 2 * store.spectra[[5, 6]])
    assert np.abs(alone - compared).max() > 1e-3
