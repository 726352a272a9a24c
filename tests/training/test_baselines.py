import numpy as np

from emotrace.training.baselines import functionals


def test_functionals_are_finite_for_one_frame() -> None:
    values = functionals(np.random.default_rng(0).normal(size=(1, 160)).astype(np.float32))
    assert values.shape == (205,)
    assert np.isfinite(values).all()
