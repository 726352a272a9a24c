"""Readings of a live stream are smoothed as they come."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emotrace.labels import LABELS
from emotrace.postprocess.methods import smooth_rows, smoother_of
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.readings import DWELL, ReadingSmoother
from emotrace.results import EmotionReading

HOP = 0.5


def reading(step: int, row: np.ndarray) -> EmotionReading:
    return EmotionReading(max(0.0, (step + 1) * HOP - 1.5), (step + 1) * HOP, row.astype(np.float32))


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(9), count)


@pytest.mark.parametrize("method", ["vote", "ewma", "median", "hmm-online"])
def test_what_comes_along_is_what_the_whole_gives_later(method: str) -> None:
    options = SmoothingOptions.of(method=method, **({"dwell": 5.0} if method == "hmm-online" else {}))
    table = rows(40)
    spoken = [step for step in range(40) if not 12 <= step < 20]
    table[12:20] = np.nan
    whole = smooth_rows(smoother_of(options, HOP), table)
    lag = int(smoother_of(options, HOP).latency.steps)
    smoother = ReadingSmoother(options, HOP)
    seen = 0
    for step in spoken:
        found = smoother.add(reading(step, table[step]))
        assert found.latency_seconds == lag * HOP == smoother.latency_seconds
        assert np.array_equal(found.probabilities, table[step].astype(np.float32))
        expected = whole.rows[step - lag] if step >= lag else np.full(9, np.nan)
        if np.isnan(expected[0]):
            assert found.smoothed is None
            continue
        seen += 1
        assert found.smoothed is not None
        assert found.smoothed == pytest.approx(expected / expected.sum(), abs=1e-6)
    assert seen > 10


def test_a_chain_takes_its_own_dwell_time_unless_one_is_given() -> None:
    table = rows(30)

    def last(**given: float) -> np.ndarray:
        smoother = ReadingSmoother(SmoothingOptions.of(method="hmm-online", **given), HOP)
        found = [smoother.add(reading(step, row)).smoothed for step, row in enumerate(table)][-1]
        assert found is not None
        return found

    assert np.array_equal(last(), last(dwell=DWELL))
    assert not np.allclose(last(), last(dwell=8.0))
    assert np.array_equal(last(lag=0.0), last(lag=0.0, trend=0.0))
    assert not np.allclose(last(lag=0.0), last(lag=0.0, trend=0.3))


@pytest.mark.parametrize("method", ["hmm", "viterbi"])
def test_what_waits_for_the_end_has_nothing_to_say_before(method: str) -> None:
    smoother = ReadingSmoother(SmoothingOptions.of(method=method), HOP)
    found = smoother.add(reading(0, rows(1)[0]))
    assert found.smoothed is None
    assert math.isinf(found.latency_seconds)


def test_an_outlier_is_smoothed_away() -> None:
    smoother = ReadingSmoother(SmoothingOptions.of(method="hmm-online", lag=1.0), HOP)
    happy, sad = np.full((2, 9), 0.02)
    happy[3] = sad[6] = 0.84
    found = [smoother.add(reading(i, sad if i == 8 else happy)) for i in range(12)]
    assert [r.emotion for r in found].count("sad") == 1
    assert {LABELS[int(r.smoothed.argmax())] for r in found if r.smoothed is not None} == {"happy"}
