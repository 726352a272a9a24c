from __future__ import annotations

import numpy as np
import pytest

from emotrace.postprocess.chain import Trend, learned, sticky
from emotrace.postprocess.methods import chain_of
from emotrace.postprocess.options import SmoothingOptions
from tests.postprocess.drifts import drifting


def test_a_trend_is_that_of_a_track_so_far_ahead() -> None:
    logs = np.log(drifting())[15:41] / 3  # all of them over the least that counts
    ahead = np.log(Trend(0.2, 0.04).of(np.exp(logs)))[2:21]
    expected = logs[7:26]
    np.testing.assert_allclose(ahead - ahead[:, :1], expected - expected[:, :1], atol=1e-9)


def test_a_trend_begins_anew_after_a_pause() -> None:
    rows = drifting()
    rows[20:22] = np.nan
    ahead = Trend(0.2, 0.04).of(rows)
    np.testing.assert_array_equal(ahead[:2], rows[:2])
    np.testing.assert_array_equal(ahead[22:24], rows[22:24])
    assert (ahead[24:40, 6] > rows[24:40, 6]).all()


def test_what_a_file_rounds_is_no_trend() -> None:
    rows = np.full((4, 9), 0.111)
    rows[:, 8] = [0.0, 0.001, 0.0, 0.001]
    np.testing.assert_allclose(Trend(0.3, 0.04).of(rows), rows, rtol=0.02)


def test_the_expected_dwell_is_the_one_that_was_asked_for() -> None:
    matrix = sticky(2.0, 0.01)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert 0.01 / (1 - matrix[0, 0]) == pytest.approx(2.0, rel=0.01)
    np.testing.assert_allclose(sticky(2.0, 0.04), np.linalg.matrix_power(matrix, 4))
    np.testing.assert_allclose(sticky(2.0, 1e9), 1 / 9)


def test_transitions_from_labelled_tracks() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([3, 6, 3, 4, 3, 6, 3], rng.integers(40, 60, 7))
    truth[100:110] = -1
    matrix = learned([truth.tolist()] * 50, hop=0.04)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert (matrix > 0).all()
    assert matrix[3, 6] > 10 * matrix[3, 1]
    leaves = np.sum((truth[:-1] == 3) & (truth[1:] != 3) & (truth[1:] >= 0))
    seconds = 0.04 * np.sum((truth[:-1] == 3) & (truth[1:] >= 0))
    assert 0.04 / (1 - matrix[3, 3]) == pytest.approx(seconds / leaves, rel=0.05)
    np.testing.assert_allclose(learned([], hop=0.04), sticky(4.0, 0.04))
    options = SmoothingOptions.of(method="hmm", transitions=[tuple(row) for row in matrix.tolist()])
    np.testing.assert_array_equal(chain_of(options, 0.04).transitions, matrix)
