"""Lists of labelled clips, and their scores."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from emotrace.errors import InputError
from emotrace.outputs.records import failure_record, recognition_record
from emotrace.outputs.table import csv_file
from emotrace.postprocess.labelled import LabelledClip, read_clips, read_scores
from emotrace.postprocess.scoring import score_clips
from emotrace.results import Failure
from tests.outputs.made import made


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_with_every_column(tmp_path: Path) -> None:
    text = "file,label,speaker,split\na.wav,开心,anna,train\n\nb.wav,SAD,ben,Test\n/c.wav,难过/sad,,dev\n"
    listed = read_clips(put(tmp_path / "clips.csv", text))
    assert listed.left_out == 1
    assert listed.clips == (
        LabelledClip(str(tmp_path / "a.wav"), "happy", "anna", "train"),
        LabelledClip("/c.wav", "sad", "", "dev"),
    )


@pytest.mark.parametrize(
    "split",
    ["test", "TEST", " testing ", "eval", "测试", "Test2", "test-clean", "held-out", "dev_test", "测试1"],
)
def test_nothing_of_a_test_row_is_looked_at(split: str, tmp_path: Path) -> None:
    listed = read_clips(put(tmp_path / "clips.csv", f"file,label,split\na.wav,no emotion,{split}\n"))
    assert (listed.clips, listed.left_out) == ((), 1)


def test_fields_of_json_lines_in_any_case(tmp_path: Path) -> None:
    rows = [{"File": "a.wav", "Label": "sad"}, {"File": "b.wav", "Label": "sad", "Split": "test"}]
    listed = read_clips(put(tmp_path / "clips.jsonl", "\n".join(map(json.dumps, rows))))
    assert ([clip.label for clip in listed.clips], listed.left_out) == (["sad"], 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_what_spreadsheets_write(delimiter: str, encoding: str, tmp_path: Path) -> None:
    text = "文件,标签,说话人\r\n录音.wav,愤怒,张\r\n".replace(",", delimiter)
    (tmp_path / "clips.csv").write_bytes(text.encode(encoding))
    [clip] = read_clips(tmp_path / "clips.csv").clips
    assert (Path(clip.file).name, clip.label, clip.speaker) == ("录音.wav", "angry", "张")


def test_the_table_of_analyze_with_a_column_of_labels(tmp_path: Path) -> None:
    with csv_file(tmp_path / "out.csv") as table:
        table.write(made("a.wav"))
        table.write(Failure("b.wav", "audio", "'b.wav' is empty"))
    head, *rows = (tmp_path / "out.csv").read_text().splitlines()
    put(tmp_path / "clips.csv", "\n".join([f"{head},label", *(f"{row},happy" for row in rows)]))
    scored, [failure] = score_clips(read_clips(tmp_path / "clips.csv").clips)
    assert scored.right.tolist() == [True]
    assert scored.confidence.tolist() == [0.853]
    assert (failure.source, failure.code) == ("b.wav", "audio")


def test_json_lines_and_scores_of_analyze(tmp_path: Path) -> None:
    scores = [
        recognition_record(made(str(tmp_path / "a.wav"))),
        failure_record(Failure("b.wav", "audio", "empty")),
    ]
    put(tmp_path / "scores.jsonl", "\n".join(json.dumps(row) for row in scores) + "\n")
    rows = [{"file": name, "label": "sad", "speaker": 1} for name in ("a.wav", "b.wav", "c.wav")]
    clips = read_clips(put(tmp_path / "clips.jsonl", "\n".join(map(json.dumps, rows)))).clips
    found = read_scores(tmp_path / "scores.jsonl")
    assert [isinstance(found[os.path.realpath(name)], Failure) for name in (tmp_path / "a.wav", "b.wav")] == [
        False,
        True,
    ]
    scored, failures = score_clips(clips, scores=found)
    assert (scored.right.tolist(), scored.speakers) == ([False], ("1",))
    assert len(failures) == 2
    assert "there are no scores of" in failures[0].reason


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column 'label' \\(found: none\\)"),
        ("a,b\n1,2\n", "no column 'label' \\(found: a, b\\)"),
        ("file,label\na.wav,calm\n", "line 2: 'calm' is not an emotion label"),
        ("file,label\na.wav,\n", "line 2: '' is not an emotion label"),
        ("file,label\n,sad\n", "line 2: there is neither a file nor a score"),
        ("file,label\na.wav,sad\nb.wav,sad\na.wav,sad\n", "line 4: 'a.wav' stands in line 2 already"),
        ("file,label,happy,sad\na.wav,sad,80,20\n", "line 2: the score of 'happy' is '80'; expected 0 to 1"),
        ("file,label,happy,sad\na.wav,sad,nan,0.2\n", "line 2: the score of 'happy' is 'nan'"),
        ("file,label\na\0.wav,sad\n", "line 2: "),
        ('{"file": "a.wav", "label": "sad"}\n{', "line 2: no JSON"),
        ('{"file": "a.wav", "label": "sad"}\n[]', "line 2: a list; expected one object"),
        ('{"label": "sad", "scores": {"glad": 1, "sad": 0}}', "line 1: 'glad' is not an emotion label"),
    ],
)
def test_a_wrong_list_is_one_sentence_with_its_line(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_clips(put(tmp_path / "clips.csv", text))
    assert "\n" not in str(caught.value)


def test_lists_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: is a directory"):
        read_clips(tmp_path)
    (tmp_path / "sound.wav").write_bytes(b"RIFF\xff\xff\xff\xff" * 3)
    with pytest.raises(InputError, match="is no text"):
        read_clips(tmp_path / "sound.wav")
    with pytest.raises(InputError, match="line 1: expected a source with its scores"):
        read_scores(put(tmp_path / "scores.jsonl", '{"source": "a.wav"}'))
