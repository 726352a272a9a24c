from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import InputError, LabelError
from emotrace.labels import EMOTIONS, LABELS
from emotrace.postprocess.methods import utterance_by_last, utterance_by_vote
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.tracks import FrameList, read_frames, smooth_frames, smoothed_records

ALL_METHODS = ["vote", "ewma", "median", "hmm-online", "hmm", "viterbi"]
every_method = pytest.mark.parametrize("method", ALL_METHODS)

SPELLINGS = {e.name: [e.name, e.name.upper(), e.name.title(), e.zh, f"{e.zh}/{e.name}"] for e in EMOTIONS}
SPELLINGS["happy"] += ["开心", "开心/happy"]
SPELLINGS["angry"] += ["生气", "生气/angry"]
SPELLINGS["sad"] += ["难过", " Sad "]
SPELLINGS["surprised"] += ["吃惊"]
SPELLINGS["neutral"] += ["中立"]
SPELLINGS["unknown"] += ["<unk>"]


# The classic definitions, written down once more and as plainly as can be.


def classic_vote(frames: Sequence[tuple[str, float, float]], window: int, step: int) -> list[Any]:
    if len(frames) < window:
        return [list(frame) for frame in frames]
    out = []
    for start in range(0, len(frames) - window + 1, step):
        part = frames[start : start + window]
        names = [name for name, _, _ in part]
        winner = max(dict.fromkeys(names), key=names.count)  # the first of the most frequent
        total, number = 0.0, 0
        for name, score, _ in part:
            if name == winner:
                total, number = total + score, number + 1
        out.append([winner, total / number, part[window // 2][2]])
    return out


def classic_ewma(
    frames: Sequence[tuple[str, float, float]], alpha: float, full: Sequence[dict[str, float]] | None = None
) -> list[Any]:
    state = dict.fromkeys(LABELS, 0.0)
    out = []
    for i, (name, score, time) in enumerate(frames):
        x = full[i] if full else {label: score if label == name else 0.0 for label in LABELS}
        state = {label: alpha * x[label] + (1 - alpha) * state[label] for label in LABELS}
        winner = max(LABELS, key=lambda label: state[label])
        out.append([winner, state[winner], time, dict(state)])
    return out


frame_lists = st.lists(
    st.tuples(
        st.sampled_from(LABELS),
        st.one_of(st.floats(0, 1), st.integers(0, 100).map(lambda n: n / 100)),
    ),
    max_size=40,
).map(lambda pairs: [(name, score, round(i * 0.04, 2)) for i, (name, score) in enumerate(pairs)])


def written(frames: Sequence[tuple[str, float, float]], seed: int = 0) -> FrameList:
    """As a file would hold them, each label spelt in some way."""
    rng = random.Random(seed)
    return read_frames(
        [
            {"emotion": rng.choice(SPELLINGS[name]), "score": score, "timestamp": time}
            for name, score, time in frames
        ]
    )


def records(frames: FrameList, **options: Any) -> list[dict[str, Any]]:
    chosen = SmoothingOptions.of(**options)
    return list(smoothed_records(frames, smooth_frames(frames, chosen), chosen.method))


@settings(max_examples=100, deadline=None)
@given(frames=frame_lists, window=st.integers(1, 9), step=st.integers(1, 4), seed=st.integers(0, 9))
def test_votes_are_the_classic_ones(
    frames: list[tuple[str, float, float]], window: int, step: int, seed: int
) -> None:
    expected = classic_vote(frames, window, step)
    out = records(written(frames, seed), method="vote", window=window, step=step)
    assert [[r["emotion"], r["score"], r["timestamp"]] for r in out] == [
        [name, round(score, 3), time] for name, score, time in expected
    ]
    smoothed = smooth_frames(written(frames), SmoothingOptions.of(method="vote", window=window, step=step))
    emotion, confidence = utterance_by_vote(smoothed.rows)
    names = [name for name, _, _ in expected]
    winner = max(dict.fromkeys(names), key=names.count) if names else "unknown"
    scores = [score for name, score, _ in expected if name == winner]
    assert emotion == winner
    assert confidence == pytest.approx(sum(scores) / len(scores) if scores else 0.0)


@settings(max_examples=100, deadline=None)
@given(frames=frame_lists, alpha=st.one_of(st.just(0.3), st.floats(0.01, 1)), seed=st.integers(0, 9))
def test_moving_averages_are_the_classic_ones(
    frames: list[tuple[str, float, float]], alpha: float, seed: int
) -> None:
    expected = classic_ewma(frames, alpha)
    smoothed = smooth_frames(written(frames, seed), SmoothingOptions.of(method="ewma", alpha=alpha))
    for row, (_, _, _, state) in zip(smoothed.rows.tolist(), expected, strict=True):
        assert row == list(state.values())  # to the last digit
    out = records(written(frames, seed), method="ewma", alpha=alpha)
    assert [[r["emotion"], r["score"], r["timestamp"]] for r in out] == [
        [name, round(score, 3), time] for name, score, time, _ in expected
    ]
    if expected:
        assert utterance_by_last(smoothed.rows) == (expected[-1][0], expected[-1][1])


def test_a_full_track_gives_the_moving_average_all_nine() -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(9), 30)
    full = [dict(zip(LABELS, row, strict=True)) for row in rows.tolist()]
    frames = [(max(x, key=lambda k: x[k]), max(x.values()), i * 0.04) for i, x in enumerate(full)]
    chinese = {e.name: e.zh for e in EMOTIONS}
    documents = [
        {"emotion": name, "score": score, "timestamp": time, "scores": {chinese[k]: v for k, v in x.items()}}
        for (name, score, time), x in zip(frames, full, strict=True)
    ]
    out = records(read_frames(documents), method="ewma")
    for record, (name, score, time, state) in zip(out, classic_ewma(frames, 0.3, full), strict=True):
        assert [record["emotion"], record["score"], record["timestamp"]] == [name, round(score, 3), time]
        assert record["all_scores"] == {k: round(v, 3) for k, v in state.items()}


def test_fewer_frames_than_the_window_come_back_unchanged() -> None:
    frames = written([("sad", 0.5, 0.0), ("happy", 0.0, 0.04)])
    out = records(frames, method="vote")
    assert out == [
        {"emotion": "sad", "score": 0.5, "timestamp": 0.0},
        {"emotion": "happy", "score": 0.0, "timestamp": 0.04},
    ]


@every_method
def test_empty_and_one(method: str) -> None:
    assert records(read_frames([]), method=method) == []
    [record] = records(written([("sad", 0.9, 1.5)]), method=method)
    assert (record["emotion"], record["timestamp"]) == ("sad", 1.5)


@every_method
def test_with_and_without_full_scores(method: str) -> None:
    short = [{"emotion": "sad" if i % 7 else "happy", "score": 0.7, "timestamp": i / 25} for i in range(60)]
    full = [
        {**frame, "scores": {"sad": 0.7 if i % 7 else 0.3, "happy": 0.3 if i % 7 else 0.7}}
        for i, frame in enumerate(short)
    ]
    for documents in (short, full, short[:30] + full[30:], {"frames": full, "emotion": "sad"}):
        out = records(read_frames(documents), method=method)
        assert {record["emotion"] for record in out[10:]} == {"sad"}
        assert all(("all_scores" in record) == (method != "vote") for record in out)


def test_what_a_frame_leaves_over_is_spread_over_the_others() -> None:
    frames = written([("sad", 0.6, 0.0)])
    assert frames.rows("hmm")[0].tolist() == pytest.approx([0.6 if n == "sad" else 0.05 for n in LABELS])
    assert frames.rows("ewma")[0].sum() == 0.6


@every_method
def test_a_frame_without_speech_is_left_out(method: str) -> None:
    documents: list[dict[str, Any]] = [
        {"emotion": "sad", "score": 0.8, "timestamp": i / 25} for i in range(40)
    ]
    documents[20] = {"emotion": None, "score": None, "timestamp": 20 / 25}
    times = [record["timestamp"] for record in records(read_frames(documents), method=method)]
    assert 20 / 25 not in times
    assert 21 / 25 in times


@pytest.mark.parametrize("method", ["median", "hmm-online", "hmm", "viterbi"])
@pytest.mark.parametrize("jump", [0.08, 3.0, 1e9])
def test_a_gap_in_the_timestamps_is_a_pause(method: str, jump: float) -> None:
    frames = [("sad" if i < 50 else "happy", 0.8, i * 0.04 + (jump if i >= 50 else 0)) for i in range(100)]
    out = records(written(frames), method=method)
    assert [record["timestamp"] for record in out] == [time for _, _, time in frames]
    assert {record["emotion"] for record in out[:50]} == {"sad"}
    assert {record["emotion"] for record in out[80:]} == {"happy"}


@every_method
def test_frames_at_one_time_or_far_apart(method: str) -> None:
    for times in ([0.0] * 10, [i * 1e6 for i in range(10)], [i * 1e-9 for i in range(10)]):
        out = records(written([("sad", 0.8, time) for time in times]), method=method)
        assert {record["emotion"] for record in out} == {"sad"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"emotion": "joyful"}, "frame 1: 'joyful' is not an emotion label"),
        ({"emotion": "高兴啊"}, "frame 1: '高兴啊' is not an emotion label"),
        ({"emotion": "happy/sad"}, "frame 1: 'happy/sad' is not an emotion label"),
        ({"emotion": 3}, "frame 1: its emotion is 3"),
        ({"score": math.nan}, "frame 1: its score is nan"),
        ({"score": math.inf}, "frame 1: its score is inf"),
        ({"score": -0.1}, "frame 1: its score is -0.1; expected 0 to 1"),
        ({"score": 58.0}, "frame 1: its score is 58; expected 0 to 1"),
        ({"score": "0.5"}, "frame 1: its score is '0.5'; expected a number"),
        ({"score": True}, "frame 1: its score is True"),
        ({"score": None}, "frame 1: its score is nothing"),
        ({"score": 10**400}, "frame 1: its score is 1000"),
        ({"timestamp": None}, "frame 1: its timestamp is nothing"),
        ({"timestamp": math.nan}, "frame 1: its timestamp is nan"),
        ({"timestamp": -1.0}, "frame 1: its timestamp -1 is before the last one, 0"),
        ({"scores": [0.1] * 9}, "frame 1: its scores are"),
        ({"scores": {"happy": -1}}, "frame 1: its happy is -1"),
        ({"scores": {"happy": 0.5, "快乐": 0.9}}, "frame 1: its scores name happy twice; expected each"),
        ({"scores": {"joy": 0.5}}, "frame 1: 'joy' is not an emotion label"),
    ],
)
def test_a_frame_that_cannot_be_used_is_named(change: dict[str, Any], sentence: str) -> None:
    good = {"emotion": "sad", "score": 0.5, "timestamp": 0.0}
    with pytest.raises(InputError) as caught:
        read_frames([good, {**good, "timestamp": 0.04, **change}])
    assert str(caught.value).startswith(sentence)
    assert isinstance(caught.value, LabelError) == ("is not an emotion label" in sentence)


@pytest.mark.parametrize("document", [3, "sad", None, {"emotion": "sad"}, {"frames": 3}, [3], [[]], [None]])
def test_what_is_no_list_of_frames(document: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        read_frames(document)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vote", "hmm"])
def test_a_million_frames(method: str) -> None:
    documents = [
        {"emotion": LABELS[i // 50 % 9], "score": 0.5, "timestamp": i * 0.04} for i in range(1_000_000)
    ]
    assert len(smooth_frames(read_frames(documents), SmoothingOptions.of(method=method)).rows) > 999_000
