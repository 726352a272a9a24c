"""Reading results that anybody wrote."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import InputError
from emotrace.labels import LABELS
from emotrace.outputs.records import frame_records, recognition_record
from emotrace.outputs.stored import parse_result, read_result
from emotrace.postprocess.verdict import switches_per_minute
from emotrace.results import EmotionTrack
from tests.outputs.made import made
from tests.outputs.results_made import put, record


def test_a_classic_result(tmp_path: Path) -> None:
    result = read_result(put(tmp_path, "outputs_1"))
    assert (result.emotion, result.facts.confidence, result.facts.top_score) == ("happy", 0.85, 0.85)
    assert result.facts.gap == 0.85 - 0.10
    assert list(result.scores)[:2] == ["happy", "neutral"]
    assert result.notes == ()


def test_a_result_of_this_project_brings_its_measures() -> None:
    facts = parse_result(recognition_record(made())).facts
    assert (facts.seconds, facts.clipping_share, facts.silence_share) == (2.0, 0.0, 0.25)
    assert math.isnan(facts.snr_db)


def test_signal_checks_in_a_result_become_facts() -> None:
    quality = {"speech_share": 0.5, "music_share": 0.1, "noise_share": 0.2, "snr_db": 3, "bandwidth_hz": 3400}
    facts = parse_result(record(quality={**quality, "several_speakers": 0.9})).facts
    assert facts.silence_share == pytest.approx(0.2)
    assert facts.speech_of_sound == pytest.approx(0.625)
    assert (facts.music_share, facts.snr_db, facts.several_speakers) == (0.1, 3, 0.9)


def test_chinese_labels_percentages_and_funasr_lists() -> None:
    chinese = parse_result({"emotion": "开心", "confidence": 0.7, "scores": {"开心": 0.7, "难过": 0.3}})
    percent = parse_result({"emotion": "开心", "confidence": 70, "scores": {"开心": 70, "难过": 30.0}})
    mixed = parse_result({"confidence": 0.7, "scores": {"happy": 70, "sad": 30}})
    listed = parse_result({"labels": ["开心/happy", "难过/sad"], "scores": [0.7, 0.3]})
    for result in (chinese, percent, mixed, listed):
        assert (result.emotion, result.scores) == ("happy", {"happy": 0.7, "sad": 0.3})
        assert result.facts.confidence == 0.7
    assert percent.notes == mixed.notes == ("numbers are percentages",)


@pytest.mark.parametrize(
    ("content", "confidence", "gap", "notes"),
    [
        ({"confidence": 0.4}, 0.4, math.nan, ("no scores", "no emotion")),
        ({"scores": {"sad": 0.5, "happy": 0.2}}, 0.5, 0.3, None),
        (record({"happy": 0.3}), 0.3, 0.3, ("scores sum to 0.30",)),
        (record(emotion="calm"), 0.85, 0.75, ("'calm' is none of the nine emotions",)),
        (record(emotion="悲伤"), 0.85, 0.75, ("the likeliest score is not that of 'sad'",)),
        (record(confidence=None), 0.85, 0.75, ("no confidence: the largest score counts",)),
        (record(quality="bad", duration_seconds="2"), 0.85, 0.75, ()),
    ],
)
def test_what_is_missing_or_odd(content: Any, confidence: float, gap: float, notes: Any) -> None:
    result = parse_result(content)
    assert result.facts.confidence == confidence
    assert result.facts.gap == pytest.approx(gap, nan_ok=True)
    assert notes is None or result.notes == notes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("[]", "holds a list"),
        ("{}", "neither a confidence nor a score"),
        ('{"confidence": NaN, "scores": {"happy": 1}}', "confidence is nan; expected 0 to 1"),
        ('{"confidence": 0.5, "scores": {"happy": NaN, "sad": 0.2}}', "the score of 'happy' is nan"),
        ('{"confidence": -0.5}', "confidence is -0.5"),
        ('{"confidence": 101}', "confidence is 101"),
        ('{"confidence": true}', "confidence is True; expected a number"),
        ('{"confidence": "high"}', "confidence is 'high'; expected a number"),
        ('{"scores": 3}', "scores is 3; expected an object"),
        ('{"scores": {"happy": 0.5, "开心": 0.4}}', "two scores of 'happy'"),
        ('{"a":' * 100_000, "no JSON"),
    ],
)
def test_what_is_broken(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_result(put(tmp_path, "outputs_1", text))
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    folder = put(tmp_path, "outputs_1")
    content = json.dumps(record(emotion="快乐"), ensure_ascii=False)
    (folder / "result.json").write_bytes(content.encode(encoding))
    assert read_result(folder).emotion == "happy"


def test_no_file_a_folder_a_link_a_pipe(tmp_path: Path) -> None:
    place = put(tmp_path, "outputs_1") / "result.json"
    outside = put(tmp_path, "outputs_2") / "result.json"
    place.unlink()
    with pytest.raises(InputError, match=r"there is no result\.json"):
        read_result(place.parent)
    place.mkdir()
    with pytest.raises(InputError, match="is a folder; expected a file"):
        read_result(place.parent)
    place.rmdir()
    place.symlink_to(outside)
    with pytest.raises(InputError, match="is a symbolic link, which is not followed"):
        read_result(place.parent)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(InputError, match="is no regular file"):
        read_result(place.parent)


@given(
    st.dictionaries(st.text(max_size=8), st.floats(0, 1), min_size=1, max_size=12),
    st.none() | st.floats(0, 1),
)
def test_any_scores_are_read_or_refused(scores: dict[str, float], confidence: float | None) -> None:
    try:
        facts = parse_result({"scores": scores, "confidence": confidence}).facts
    except InputError as error:
        assert "two scores" in str(error)
        return
    assert facts.top_score == max(scores.values())
    assert facts.confidence == (facts.top_score if confidence is None else confidence)


def test_every_label_is_read_in_both_languages() -> None:
    from emotrace.labels import EMOTIONS

    chinese = {emotion.zh: (index + 1) / 45 for index, emotion in enumerate(EMOTIONS)}
    assert list(parse_result({"scores": chinese}).scores) == list(reversed(LABELS))


def frames(emotions: str, hop: float = 0.5) -> list[dict[str, Any]]:
    """A frame for each letter, h or s; a blank is a step without speech, which is left out."""
    label = {"h": "开心", "s": "sad"}
    return [
        {"emotion": label[letter], "score": 0.7, "timestamp": round(i * hop, 3)}
        for i, letter in enumerate(emotions)
        if letter != " "
    ]


@pytest.mark.parametrize(
    ("emotions", "switches"),
    [("hhhhsssshhhh", 2), ("hhhhhhhhhhhh", 0), ("hshshshshshs", 11), ("hhhhss  hhhhss", 2), ("hsh", None)],
)
def test_frames_beside_a_result_tell_how_often_its_label_changes(
    emotions: str, switches: int | None, tmp_path: Path
) -> None:
    folder = put(tmp_path, "outputs_1")
    (folder / "frames.json").write_text(json.dumps(frames(emotions)), encoding="utf-8")
    told = read_result(folder, frames=True).facts.switches_per_minute
    expected = math.nan if switches is None else switches * 60 / 6  # six seconds of speech each
    assert told == pytest.approx(expected, nan_ok=True)
    assert math.isnan(read_result(folder).facts.switches_per_minute)


def test_frames_as_they_are_written_agree_with_the_track(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(9), 200).astype(np.float32)
    rows[40:60] = np.nan
    track = EmotionTrack((np.arange(200) / 25).astype(np.float32), rows, 0.04, "made up")
    folder = put(tmp_path, "outputs_1")
    (folder / "frames.json").write_text(json.dumps(list(frame_records(track))), encoding="utf-8")
    told = read_result(folder, frames=True).facts.switches_per_minute
    assert told == pytest.approx(switches_per_minute(track)) and told > 100


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"frames": 3}', "[" * 100_000, '[{"emotion": "x"}]'])
def test_frames_of_no_use_are_noted_and_the_rest_counts(text: str, tmp_path: Path) -> None:
    folder = put(tmp_path, "outputs_1")
    (folder / "frames.json").write_text(text, encoding="utf-8")
    result = read_result(folder, frames=True)
    assert result.emotion == "happy" and math.isnan(result.facts.switches_per_minute)
    [note] = result.notes
    assert note.startswith("frames.json is of no use: ") and "\n" not in note


def test_a_link_in_place_of_frames_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text(json.dumps(frames("hshshshs")), encoding="utf-8")
    folder = put(tmp_path, "outputs_1")
    (folder / "frames.json").symlink_to(tmp_path / "outside.json")
    result = read_result(folder, frames=True)
    assert math.isnan(result.facts.switches_per_minute)
    assert result.notes == (
        "frames.json is of no use: frames.json is a symbolic link, which is not followed",
    )
