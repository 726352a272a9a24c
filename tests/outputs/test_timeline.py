from __future__ import annotations

import numpy as np
import pytest

from emotrace.outputs.envelope import envelope
from emotrace.outputs.timeline import runs, timeline
from tests.outputs.made import HAPPY, made, segment, track


def test_a_track_becomes_runs_with_gaps_where_nobody_speaks() -> None:
    steps = ["happy"] * 3 + [None] * 2 + ["happy"] + ["sad"] * 2
    result = made(track=track(steps), duration=0.3)
    found = [(round(r.start, 2), round(r.end, 2), r.emotion) for r in runs(timeline(result))]
    assert found == [(0.0, 0.12, "happy"), (0.12, 0.2, None), (0.2, 0.24, "happy"), (0.24, 0.3, "sad")]
    confidences = [r.confidence for r in runs(timeline(result))]
    assert confidences == pytest.approx([0.92, 0, 0.92, 0.92])


def test_a_smoothed_track_goes_before_the_track() -> None:
    result = made(track=track(["happy", "sad"] * 25), smoothed=track(["happy"] * 50))
    [run] = runs(timeline(result))
    assert (run.start, run.end, run.emotion) == (0.0, 2.0, "happy")


def test_segments_are_not_joined_over_a_pause() -> None:
    result = made(segments=(segment(0, 0.5), segment(0.5, 1.0), segment(1.2, 1.5)))
    found = [(r.start, r.end, r.emotion) for r in runs(timeline(result))]
    assert found == [(0, 1.0, "happy"), (1.2, 1.5, "happy")]


def test_without_track_and_segments_all_is_one_step() -> None:
    [run] = runs(timeline(made()))
    assert (run.start, run.end, run.emotion) == (0, 2.0, "happy")
    assert run.confidence == pytest.approx(HAPPY["happy"])


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_the_envelope_does_not_depend_on_the_blocks(size: int) -> None:
    sound = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    parts = [sound[i : i + size] for i in range(0, 1000, size)] + [sound[:0]]
    outline = envelope(parts, 1000, columns=37)
    edges = [-(-1000 * i // 37) for i in range(38)]
    for i in range(37):
        column = sound[edges[i] : edges[i + 1]]
        assert (outline.lows[i], outline.highs[i]) == (column.min(), column.max())


def test_an_envelope_of_too_little_or_too_much() -> None:
    short = envelope([np.ones(3, np.float32)], 10, columns=5)
    assert short.highs.tolist() == [1, 1, 0, 0, 0]
    late = envelope([np.array([1, 2, 3, 4], np.float32)], 2, columns=5)
    assert late.highs.tolist() == [1, 4]
    assert envelope([], 0).highs.tolist() == [0]
