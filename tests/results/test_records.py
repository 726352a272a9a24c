"""The records that cross rooms."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace import results
from emotrace.labels import LABELS
from emotrace.results import EmotionTrack, Failure, ModelInfo, Recognition, Segment, Signal, SignalMeasures

RECORDS: list[Any] = [v for v in vars(results).values() if dataclasses.is_dataclass(v)]


def recognition(scores: list[float]) -> Recognition:
    return Recognition(
        source="clip.wav",
        emotion="happy",
        confidence=0.5,
        scores=dict(zip(LABELS, scores, strict=True)),
        duration=1.0,
        model=ModelInfo("fake", "0" * 12, "fp32", "cpu", "numpy", 1),
        measures=SignalMeasures(1.0, -20.0, -3.0, 0.0, 0.0, 0.0),
        embedding=np.zeros(2, np.float32),
    )


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5]), min_size=9, max_size=9), st.integers(0, 12))
def test_the_top_is_in_order_of_score_then_of_label(scores: list[float], n: int) -> None:
    top = recognition(scores).top(n)
    assert len(top) == min(n, 9)
    ranks = [(-score, LABELS.index(label)) for label, score in top]
    assert ranks == sorted(ranks)
    assert all(scores[LABELS.index(label)] == score for label, score in top)
    assert all(
        score <= top[-1][1]
        for label, score in zip(LABELS, scores, strict=True)
        if top and (label, score) not in top
    )


def test_three_by_default() -> None:
    assert [label for label, _ in recognition([0, 0, 0.2, 0.5, 0, 0, 0.3, 0, 0]).top()] == [
        "happy",
        "sad",
        "fearful",
    ]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_records_are_frozen_slotted_and_described_field_by_field(record: Any) -> None:
    assert record.__dataclass_params__.frozen
    assert "__slots__" in vars(record)
    for field in dataclasses.fields(record):
        assert f"{field.name}: " in (record.__doc__ or ""), (
            f"{record.__name__}.{field.name} has no description"
        )


def test_records_survive_another_process() -> None:
    result = dataclasses.replace(
        recognition([1 / 9] * 9), segments=(Segment(0, 1, "sad", 1.0, {"sad": 1.0}),)
    )
    copy = pickle.loads(pickle.dumps(result))
    assert copy.scores == result.scores
    assert copy.segments == result.segments
    assert np.array_equal(copy.embedding, result.embedding)
    assert pickle.loads(pickle.dumps(Failure("a", "audio", "b"))) == Failure("a", "audio", "b")


def test_a_signal_knows_how_long_it_is() -> None:
    assert Signal(np.zeros(22_050, np.float32), 44_100).duration == 0.5


def test_a_step_without_speech_has_no_emotion() -> None:
    rows = np.full((3, 9), np.nan, np.float32)
    rows[1] = np.eye(9)[6]
    track = EmotionTrack(np.array([0, 0.04, 0.08], np.float32), rows, 0.04, "by hand")
    assert len(track) == 3
    assert track.emotions == [None, "sad", None]
