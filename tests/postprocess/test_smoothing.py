from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import InputError
from emotrace.labels import LABELS
from emotrace.postprocess import smoothing
from emotrace.postprocess.methods import (
    smooth_rows,
    smoother_of,
)
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.smoothing import Ewma, Median, Rows, Smoother, Vote, checked, likeliest
from tests.postprocess.made import HOP, steps

MAKERS: dict[str, Callable[[], Smoother]] = {
    "vote": lambda: smoother_of(SmoothingOptions.of(method="vote"), HOP),
    "vote, wide": lambda: smoother_of(SmoothingOptions.of(method="vote", window=25, step=3), HOP),
    "vote, classic": lambda: smoother_of(SmoothingOptions.of(method="vote"), HOP, edges=False),
    "vote, classic, even": lambda: Vote(4, 2, edges=False),
    "ewma": lambda: smoother_of(SmoothingOptions.of(method="ewma"), HOP),
    "median": lambda: smoother_of(SmoothingOptions.of(method="median"), HOP),
    "median, even": lambda: Median(6),
    "hmm-online": lambda: smoother_of(SmoothingOptions.of(method="hmm-online"), HOP),
    "hmm-online, no lag": lambda: smoother_of(SmoothingOptions.of(method="hmm-online", lag=0), HOP),
    "hmm": lambda: smoother_of(SmoothingOptions.of(method="hmm"), HOP),
    "viterbi": lambda: smoother_of(SmoothingOptions.of(method="viterbi"), HOP),
}

EVERY_STEP = [name for name in MAKERS if "classic" not in name and "wide" not in name]

every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())

whole = pytest.mark.parametrize("make", [MAKERS[name] for name in EVERY_STEP], ids=EVERY_STEP)


def all_of(smoother: Smoother, rows: Rows, cuts: list[int]) -> tuple[list[int], Rows]:
    edges = [0, *sorted(cuts), len(rows)]
    parts = [smoother.push(rows[a:b]) for a, b in pairwise(edges)]
    parts.append(smoother.finish())
    indices = np.concatenate([part.indices for part in parts]).tolist()
    return indices, np.concatenate([part.rows for part in parts])


@every
@settings(max_examples=25, deadline=None)
@given(data=st.data(), count=st.integers(0, 140), seed=st.integers(0, 3))
def test_any_chunking_gives_the_same(
    make: Callable[[], Smoother], data: st.DataObject, count: int, seed: int
) -> None:
    rows = steps(count, seed)
    cuts = data.draw(st.lists(st.integers(0, count), max_size=12))
    indices, smoothed = all_of(make(), rows, cuts)
    expected = smooth_rows(make(), rows)
    assert indices == expected.indices.tolist()
    np.testing.assert_allclose(smoothed, expected.rows, rtol=1e-9, atol=1e-15)


@every
def test_step_by_step_is_as_late_as_it_says(make: Callable[[], Smoother]) -> None:
    smoother = make()
    latency = smoother.latency
    assert latency.seconds == pytest.approx(latency.steps * HOP)
    ready = 0
    for i, row in enumerate(steps(120)):
        for index in smoother.push(row[None]).indices.tolist():
            assert index == i - latency.steps
            ready += 1
    late = smoother.finish().indices
    assert ready > 0 or math.isinf(latency.steps)
    assert len(late) <= (120 if math.isinf(latency.steps) else latency.steps)


@whole
def test_a_step_without_speech_stays_without_and_the_others_have_an_emotion(
    make: Callable[[], Smoother],
) -> None:
    rows = steps(400)
    smoothed = smooth_rows(make(), rows)
    assert smoothed.indices.tolist() == list(range(400))
    np.testing.assert_array_equal(np.isnan(smoothed.rows), np.isnan(rows))
    heard = smoothed.rows[~np.isnan(rows[:, 0])]
    assert (heard >= 0).all()
    assert (heard.sum(axis=1) > 0).all()


@whole
def test_a_short_pause_is_bridged(make: Callable[[], Smoother]) -> None:
    rows = np.full((120, 9), 0.05)
    rows[:, 3] = 0.6
    rows[50:60] = np.nan
    rows[62, 3], rows[62, 6] = 0.05, 0.6  # one slip after the pause
    labels = likeliest(smooth_rows(make(), rows).rows)
    assert set(labels[60:62]) == {3}
    assert set(labels[64:]) == {3}


@every
def test_empty_and_one(make: Callable[[], Smoother]) -> None:
    assert len(smooth_rows(make(), np.zeros((0, 9))).rows) == 0
    assert len(make().finish().indices) == 0
    one = smooth_rows(make(), np.eye(9)[[4]])
    assert one.indices.tolist() == [0]
    assert likeliest(one.rows).tolist() == [4]
    silent = smooth_rows(make(), np.full((3, 9), np.nan))
    assert np.isnan(silent.rows).all()


@every
def test_a_window_or_lag_larger_than_the_track(make: Callable[[], Smoother]) -> None:
    smoothed = smooth_rows(make(), np.eye(9)[[3, 3, 3]])
    assert set(likeliest(smoothed.rows).tolist()) == {3}


@every
def test_what_cannot_be_used_is_refused(make: Callable[[], Smoother]) -> None:
    bad = np.full((3, 9), 0.1)
    bad[1, 2] = -0.1
    with pytest.raises(InputError, match="step 1 holds"):
        make().push(bad)
    bad[1, 2] = np.inf
    with pytest.raises(InputError, match="step 1 holds"):
        make().push(bad)
    with pytest.raises(ValueError, match=r"\(3, 8\)"):
        make().push(np.zeros((3, 8)))


@every
def test_the_input_is_left_alone(make: Callable[[], Smoother]) -> None:
    rows = steps(100)
    kept = rows.copy()
    smooth_rows(make(), rows)
    np.testing.assert_array_equal(rows, kept)


@pytest.mark.slow
@every
def test_a_million_frames(make: Callable[[], Smoother]) -> None:
    rows = np.resize(steps(10_000), (1_000_000, 9))
    smoothed = smooth_rows(make(), rows)
    assert len(smoothed.rows) == len(smoothed.indices) >= 330_000


def test_half_a_row_of_nan_is_no_speech() -> None:
    rows = np.full((1, 9), 0.1)
    rows[0, 3] = np.nan
    assert np.isnan(checked(rows)).all()


def test_vote_tie_goes_to_the_first_in_the_window() -> None:
    rows = np.eye(9)[[6, 3, 3, 6]]
    assert likeliest(smooth_rows(Vote(4, edges=False), rows).rows).tolist() == [6]
    assert likeliest(smooth_rows(Vote(4, edges=False), rows[::-1]).rows).tolist() == [6]
    assert likeliest(smooth_rows(Vote(2, edges=False), rows).rows).tolist() == [6, 3, 3]


@pytest.mark.parametrize("step", [1, 3])
def test_wide_votes_are_summed_the_short_way(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = steps(900)
    expected = smooth_rows(Vote(50, step), rows)
    monkeypatch.setattr(smoothing, "_WIDE", 10)
    out = smooth_rows(Vote(50, step), rows)
    assert out.indices.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(out.rows, expected.rows, atol=1e-12)
    assert len(smooth_rows(Vote(100_000), rows).rows) == 900


def test_ewma_starts_from_nothing_and_waits_in_a_pause() -> None:
    rows = np.concatenate([np.eye(9)[[3, 3]], np.full((5, 9), np.nan), np.eye(9)[[6]]])
    out = smooth_rows(Ewma(0.25), rows).rows
    assert out[0, 3] == 0.25
    assert out[-1, 3] == 0.75 * out[1, 3]


def test_median_against_numpy() -> None:
    rows = steps(60, pauses=False)
    out = smooth_rows(Median(7), rows).rows
    for i in (0, 2, 30, 58, 59):
        expected = np.median(rows[max(0, i - 3) : i + 4], axis=0)
        np.testing.assert_allclose(out[i], expected / expected.sum())


def test_median_of_nothing_common_stays_as_it_is() -> None:
    assert likeliest(smooth_rows(Median(3), np.eye(9)[[1, 2, 3]]).rows)[1] == 2


def test_labels_are_the_nine() -> None:
    assert len(LABELS) == checked(np.zeros((1, 9))).shape[1]
