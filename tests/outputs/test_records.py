from __future__ import annotations

import io
import json
import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from emotrace.labels import LABELS
from emotrace.outputs import failure_record, frame_records, recognition_record, write_json
from emotrace.outputs.records import dumps
from emotrace.results import (
    ChangePoint,
    EmotionTrack,
    Failure,
    SignalMeasures,
    SignalQuality,
    Smoothing,
    Verdict,
)
from tests.outputs.made import HAPPY, QUALITY, VERDICT, made, segment, track

WHEN = datetime(2024, 1, 4, 22, 30, 0)
QUALITY_FIELDS = [field.name for field in fields(SignalQuality) if field.name != "measures"]


def test_the_five_classic_fields_come_first_and_as_ever() -> None:
    record = recognition_record(made(), when=WHEN)
    assert list(record)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
    assert {key: record[key] for key in list(record)[:5]} == {
        "emotion": "happy",
        "confidence": 0.853,
        "scores": HAPPY,
        "granularity": "utterance",
        "timestamp": "2024-01-04 22:30:00",
    }
    assert list(record["scores"]) == list(LABELS)


def test_what_stands_beside_them() -> None:
    result = made(
        segments=(segment(0.0964, 1.5),),
        shares={"happy": 1.0},
        speech_duration=1.4036,
        reference="recording",
        warnings=("too short",),
    )
    record = recognition_record(result, granularity="segment", when=WHEN)
    assert record["schema_version"] == 1
    assert record["source"] == "talk.wav"
    assert record["top"][0] == {"emotion": "happy", "score": 0.853}
    assert [row["emotion"] for row in record["top"][1:]] == ["neutral", "angry"]
    assert record["quality"] == {
        "level_db": -20.5,
        "peak_db": -3.25,
        "clipping_share": 0.0,
        "dc_offset": 0.001,
        "silence_share": 0.25,
        **dict.fromkeys(QUALITY_FIELDS),
    }
    assert record["model"]["revision"] == "0123456789ab"
    assert (record["duration_seconds"], record["speech_seconds"]) == (2.0, 1.4036)
    assert record["segments"][0]["start"] == 0.096
    assert record["segments"][0]["scores"]["happy"] == 0.92
    assert (record["shares"], record["reference"]) == ({"happy": 1.0}, "recording")
    assert record["warnings"] == ["too short"]
    assert "embedding" not in record


def test_every_number_of_the_checks_is_told_and_what_is_not_known_is_null() -> None:
    record = recognition_record(made(quality=QUALITY))["quality"]
    assert set(record) == {
        "level_db",
        "peak_db",
        "clipping_share",
        "dc_offset",
        "silence_share",
        *QUALITY_FIELDS,
    }
    assert record["several_speakers"] is None  # NaN
    known = {name: getattr(QUALITY, name) for name in QUALITY_FIELDS if name != "several_speakers"}
    assert {name: record[name] for name in known} == known


def test_the_verdict_with_its_reasons() -> None:
    record = recognition_record(made(verdict=VERDICT))["verdict"]
    assert (record["decision"], len(record["reasons"])) == ("drop", 2)
    assert [asdict(reason) for reason in VERDICT.reasons] == record["reasons"]
    assert recognition_record(made(verdict=Verdict("keep")))["verdict"] == {"decision": "keep", "reasons": []}
    assert recognition_record(made())["verdict"] is None


@pytest.mark.parametrize(("latency", "told"), [(0.08, 0.08), (math.inf, None)])
def test_smoothing_and_change_points(latency: float, told: float | None) -> None:
    changes = (ChangePoint(1.2345, "happy", "sad", 0.5),)
    record = recognition_record(made(smoothing=Smoothing("vote", latency), change_points=changes))
    assert record["smoothing"] == {"method": "vote", "latency_seconds": told}
    assert record["change_points"] == [{"time": 1.234, "before": "happy", "after": "sad", "strength": 0.5}]
    assert (recognition_record(made())["smoothing"], recognition_record(made())["change_points"]) == (
        None,
        [],
    )


def test_the_time_is_now_if_none_is_given() -> None:
    before = datetime.now().replace(microsecond=0)
    stamp = datetime.strptime(recognition_record(made())["timestamp"], "%Y-%m-%d %H:%M:%S")
    assert before <= stamp <= datetime.now()


def test_scores_still_sum_to_one_after_rounding() -> None:
    random = np.random.default_rng(0).dirichlet(np.ones(9), 200)
    for row in random:
        record = recognition_record(made(scores=dict(zip(LABELS, row.tolist(), strict=True))))
        assert sum(record["scores"].values()) == pytest.approx(1, abs=5e-6)


def test_infinity_and_nan_are_null() -> None:
    silent = SignalMeasures(2.0, -math.inf, -math.inf, 0.0, math.nan, 1.0)
    record = recognition_record(made(measures=silent))
    assert record["quality"]["level_db"] is None
    assert record["quality"]["dc_offset"] is None
    assert "NaN" not in dumps(record)
    assert "Infinity" not in dumps(record)


def test_the_embedding_comes_back_exactly() -> None:
    numbers = np.random.default_rng(0).normal(0, 1e-3, 50).astype(np.float32)
    record = json.loads(dumps(recognition_record(made(embedding=numbers), embedding=True)))
    assert np.array_equal(np.array(record["embedding"], np.float32), numbers)


def test_a_failure_has_its_reason() -> None:
    record = failure_record(Failure("a.wav", "no-audio", "'a.wav' has no audio stream"))
    assert record == {
        "schema_version": 1,
        "source": "a.wav",
        "error": {"code": "no-audio", "reason": "'a.wav' has no audio stream"},
    }


def test_steps_without_speech_are_no_frames() -> None:
    frames = list(frame_records(track(["happy", None, None, "sad"])))
    assert [(f["emotion"], f["timestamp"]) for f in frames] == [("happy", 0.0), ("sad", 0.12)]
    assert list(frames[0]) == ["emotion", "score", "timestamp", "scores"]
    assert frames[1]["score"] == frames[1]["scores"]["sad"] == pytest.approx(0.92)


def test_frame_times_are_exact_after_a_day() -> None:
    count = 3000
    steps = np.arange(2_158_000, 2_158_000 + count)  # about 24 h of 40 ms
    rows = np.full((count, 9), 1 / 9, np.float32)
    long = EmotionTrack((steps * 0.04).astype(np.float32), rows, 0.04, "made up")
    times = [frame["timestamp"] for frame in frame_records(long)]
    assert times == [round(step * 0.04, 2) for step in steps.tolist()]


def test_frames_are_written_one_by_one() -> None:
    frames = list(frame_records(track(["happy", "sad"])))
    file = io.StringIO()
    write_json(file, {"emotion": "happy"}, iter(frames))
    assert file.getvalue().count("\n") == 1
    assert json.loads(file.getvalue()) == {"emotion": "happy", "frames": frames}


@pytest.mark.parametrize("frames", [[], [{"a": 1}]])
@pytest.mark.parametrize(
    "record", [{}, {"b": "\n"}, {"segments": [{"a": 1}, {}], "change_points": [], "c": None}]
)
def test_edges_of_the_written_json(record: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    with_frames, without = io.StringIO(), io.StringIO()
    write_json(with_frames, record, frames)
    write_json(without, record)
    assert with_frames.getvalue() == json.dumps({**record, "frames": frames}) + "\n"
    assert without.getvalue() == json.dumps(record) + "\n"


class _Nowhere(io.StringIO):
    """Counts what is written, and forgets it."""

    total = 0

    def write(self, text: str) -> int:
        self.total += len(text)
        return len(text)


def test_hours_of_frames_need_no_more_memory_than_minutes() -> None:
    long = EmotionTrack(
        np.arange(8_000, dtype=np.float32) * np.float32(0.04),
        np.full((8_000, 9), 1 / 9, np.float32),
        0.04,
        "made up",
    )
    file = _Nowhere()
    tracemalloc.start()
    try:
        write_json(file, {}, frame_records(long))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.total > 1_500_000
    assert peak < 1_200_000


def test_real_letters_are_kept_and_odd_names_survive() -> None:
    name = "声音 😊\n\udcff.wav"
    text = dumps(failure_record(Failure(name, "audio", "no")))
    assert "声音 😊" in text
    encoded = text.encode("utf-8", "backslashreplace")
    assert json.loads(encoded.decode())["source"] == name


def test_frames_may_come_from_a_generator_that_fails() -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield {}
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_json(io.StringIO(), {}, broken())
