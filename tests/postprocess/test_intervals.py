from __future__ import annotations

import pytest

from emotrace.postprocess.intervals import clopper_pearson


@pytest.mark.parametrize(
    ("right", "kept", "low", "high"),
    # scipy.stats.binomtest(right, kept).proportion_ci(method="exact"), scipy 1.17.1
    [
        (0, 20, 0.0, 0.16843347),
        (20, 20, 0.83156653, 1.0),
        (1, 20, 0.00126509, 0.24873276),
        (45, 50, 0.78186463, 0.96672491),
        (912, 1000, 0.89270523, 0.92882487),
    ],
)
def test_the_exact_interval_equals_an_independent_one(right: int, kept: int, low: float, high: float) -> None:
    assert clopper_pearson(right, kept) == pytest.approx((low, high), abs=1e-8)
