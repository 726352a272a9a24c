from __future__ import annotations

import itertools

import numpy as np
import pytest

from emotrace.postprocess import hidden_markov
from emotrace.postprocess.chain import Chain, sticky
from emotrace.postprocess.hidden_markov import ForwardBackward, OnlineHiddenMarkov, Viterbi
from emotrace.postprocess.methods import chain_of, smooth_rows
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.smoothing import Rows, likeliest
from tests.postprocess.drifts import drifting

COUNT = 4  # 9 ** 4 sequences


def chain(seed: int = 0, scale: float = 0.7) -> Chain:
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.ones(9), 9) + 2 * np.eye(9)
    return Chain(matrix / matrix.sum(axis=1, keepdims=True), scale, rng.dirichlet(np.full(9, 5.0)))


def observations(count: int = COUNT, seed: int = 1) -> Rows:
    return np.random.default_rng(seed).dirichlet(np.full(9, 0.7), count)


def every_sequence(model: Chain, rows: Rows) -> dict[tuple[int, ...], float]:
    """Probability of each sequence of emotions, by its definition."""
    says = (np.maximum(rows, 1e-6) / model.prior) ** model.scale
    says[np.isnan(says)] = 1.0
    out = {}
    for path in itertools.product(range(9), repeat=len(rows)):
        p = says[0, path[0]] / 9
        for t in range(1, len(rows)):
            p *= model.transitions[path[t - 1], path[t]] * says[t, path[t]]
        out[path] = float(p)
    return out


def marginals(model: Chain, rows: Rows, best: bool) -> Rows:
    out = np.zeros((len(rows), 9))
    for path, p in every_sequence(model, rows).items():
        for t, label in enumerate(path):
            out[t, label] = max(out[t, label], p) if best else out[t, label] + p
    return np.asarray(out / out.sum(axis=1, keepdims=True), np.float64)


@pytest.mark.parametrize("seed", range(3))
def test_forward_backward_against_all_sequences(seed: int) -> None:
    model, rows = chain(seed), observations(seed=seed)
    out = smooth_rows(ForwardBackward(model), rows).rows
    np.testing.assert_allclose(out, marginals(model, rows, best=False), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_viterbi_against_all_sequences(seed: int) -> None:
    model, rows = chain(seed), observations(seed=seed)
    sequences = every_sequence(model, rows)
    out = smooth_rows(Viterbi(model), rows).rows
    assert tuple(likeliest(out)) == max(sequences, key=lambda path: sequences[path])
    np.testing.assert_allclose(out, marginals(model, rows, best=True), rtol=1e-9)


def test_a_pause_says_nothing_but_time_goes_on() -> None:
    model, rows = chain(), observations()
    rows[1] = np.nan
    out = smooth_rows(ForwardBackward(model), rows).rows
    expected = marginals(model, rows, best=False)
    expected[1] = np.nan
    np.testing.assert_allclose(out, expected, rtol=1e-9)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_online_knows_the_lag_and_no_more(lag: int) -> None:
    model, rows = chain(), observations()
    out = smooth_rows(OnlineHiddenMarkov(model, lag), rows).rows
    for t in range(COUNT):
        known = rows[: t + lag + 1]
        np.testing.assert_allclose(out[t], marginals(model, known, best=False)[t], rtol=1e-9)


def test_online_with_a_lag_as_long_as_the_track_is_offline() -> None:
    model, rows = chain(), observations(300)
    online = smooth_rows(OnlineHiddenMarkov(model, 300), rows).rows
    np.testing.assert_allclose(online, smooth_rows(ForwardBackward(model), rows).rows, rtol=1e-9)


def first_sad(trend: float, rows: Rows) -> int:
    model = Chain(sticky(8.0, 0.04), 0.4, np.full(9, 1 / 9))
    out = smooth_rows(OnlineHiddenMarkov(model, 0, trend=trend), rows).rows
    return int(np.argmax(likeliest(out) == 6))


def test_a_trend_follows_a_drift_sooner() -> None:
    sooner = first_sad(0.0, drifting()) - first_sad(0.2, drifting())
    assert 3 <= sooner <= 5  # 0.2 s are five steps


def test_viterbi_over_the_end_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = Chain(sticky(1.0, 0.04), 0.3, np.full(9, 1 / 9)), observations(500)
    expected = smooth_rows(Viterbi(model), rows).rows
    monkeypatch.setattr(hidden_markov, "_BLOCK", 7)
    np.testing.assert_array_equal(smooth_rows(Viterbi(model), rows).rows, expected)


def test_viterbi_stays_on_one_path_where_two_are_as_good() -> None:
    rows = np.zeros((40, 9))
    rows[:, [3, 6]] = 0.5
    out = smooth_rows(Viterbi(Chain(sticky(4.0, 0.04), 0.3, np.full(9, 1 / 9))), rows).rows
    assert len(set(likeliest(out))) == 1


def test_sure_steps_do_not_break_it() -> None:
    model = Chain(sticky(100.0, 0.001), 1.0, np.full(9, 1 / 9))
    rows = np.eye(9)[np.arange(3000) % 9]
    for smoother in (ForwardBackward(model), Viterbi(model), OnlineHiddenMarkov(model, 50)):
        assert np.isfinite(smooth_rows(smoother, rows).rows).all()


def test_a_longer_dwell_switches_less() -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.full(9, 0.3), 2000)
    switches = []
    for dwell in (0.2, 2.0, 20.0):
        options = SmoothingOptions.of(method="viterbi", dwell=dwell, evidence=5)
        out = smooth_rows(Viterbi(chain_of(options, 0.04)), rows).rows
        switches.append(int(np.sum(np.diff(likeliest(out)) != 0)))
    assert switches[0] > switches[1] > switches[2]


def test_the_prior_is_divided_by() -> None:
    rows = np.full((50, 9), 0.1)
    rows[:, 4] = 0.2
    prior = tuple(0.3 if i == 4 else 0.7 / 8 for i in range(9))
    even, fair = (
        chain_of(SmoothingOptions.of(method="hmm", **given), 0.04) for given in ({}, {"prior": prior})
    )
    assert likeliest(smooth_rows(ForwardBackward(even), rows).rows)[25] == 4
    assert likeliest(smooth_rows(ForwardBackward(fair), rows).rows)[25] != 4


def test_a_step_is_one_observation_at_most() -> None:
    assert chain_of(SmoothingOptions.of(method="hmm", evidence=5), 10.0).scale == 1.0
