from __future__ import annotations

import numpy as np
import pytest

from emotrace.postprocess.methods import (
    smooth,
    utterance_by_last,
    utterance_by_vote,
)
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.smoothing import likeliest
from emotrace.results import EmotionTrack
from tests.postprocess.made import HOP, steps


@pytest.mark.parametrize("method", ["vote", "ewma", "median", "hmm-online", "hmm", "viterbi"])
def test_a_smoothed_track_is_a_track(method: str) -> None:
    rows = steps(200).astype(np.float32)
    times = (np.arange(200) * HOP).astype(np.float32)
    track = EmotionTrack(times, rows, HOP, "sliding-window 1.5 s")
    out = smooth(track, SmoothingOptions.of(method=method))
    assert out.probabilities.dtype == np.float32
    assert out.method == f"sliding-window 1.5 s, {method}"
    np.testing.assert_array_equal(out.times, times)
    assert [e is None for e in out.emotions] == [e is None for e in track.emotions]
    heard = out.probabilities[~np.isnan(out.probabilities[:, 0])]
    np.testing.assert_allclose(heard.sum(axis=1), 1, rtol=1e-5)
    assert np.sum(np.diff(likeliest(out.probabilities.astype(np.float64))) != 0) < np.sum(
        np.diff(likeliest(rows.astype(np.float64))) != 0
    )


def test_a_vote_with_steps_has_a_longer_hop() -> None:
    track = EmotionTrack(np.arange(10, dtype=np.float32), steps(10, 0, False).astype(np.float32), 1.0, "x")
    out = smooth(track, SmoothingOptions.of(method="vote", step=4))
    assert out.times.tolist() == [0, 4, 8]
    assert out.hop == 4


def test_utterance_labels() -> None:
    rows = np.array([[0.0] * 9] * 4)
    rows[0, 6], rows[1, 3], rows[2, 3], rows[3, 6] = 0.5, 0.6, 0.8, 0.9
    assert utterance_by_vote(rows) == ("sad", 0.7)
    assert utterance_by_last(rows) == ("sad", 0.9)
    nothing = np.full((2, 9), np.nan)
    assert utterance_by_vote(nothing) == utterance_by_last(nothing) == ("unknown", 0.0)
