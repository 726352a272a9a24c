from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from emotrace.batch.jobs import Job, segment_times
from emotrace.batch.manifests import jobs_of
from emotrace.errors import InputError
from tests.batch.made import batch, clips, found, rows
from tests.cli.command import square, write


def jobs(*inputs: object, leave_out: object = None) -> list[Job]:
    return list(jobs_of([str(each) for each in inputs], None if leave_out is None else str(leave_out)))


def named(*inputs: object, leave_out: object = None) -> list[str]:
    return [Path(job.file).name for job in jobs(*inputs, leave_out=leave_out)]


def test_folders_patterns_and_files(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 2)
    clips(folder / "more", 1)
    (folder / "notes.doc").write_text("")
    assert named(folder) == ["c00.wav", "c01.wav", "c00.wav"]
    assert named(folder / "*1.wav") == ["c01.wav"]
    assert named(folder / "**" / "*.wav") == ["c00.wav", "c01.wav", "c00.wav"]
    assert named(folder / "notes.doc") == ["notes.doc"]
    [nothing] = jobs(folder / "*.mp3")
    assert nothing.failure is not None and "nothing matches" in nothing.failure.reason


def test_patterns_with_two_stars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clips(tmp_path / "in", 1)
    clips(folder / "a" / "b", 1)
    clips(folder / ".hidden", 1)
    for loop in ("one", "two"):  # together more paths than could ever be listed
        (folder / "a" / loop).symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    every = ["in/c00.wav", "in/a/b/c00.wav"]
    for pattern in ("in/**/*.wav", "in/**", "./in/**/*.wav", "**/c0?.wav", f"{tmp_path}/in/**/*.[w]av"):
        assert [os.path.relpath(job.file) for job in jobs(pattern)] == every
    assert [job.file for job in jobs("**/b/*.wav")] == ["in/a/b/c00.wav"]
    assert [job.file for job in jobs("in/*/**/b/**/*.wav")] == ["in/a/b/c00.wav"]
    assert named("in/**/.*/*.wav") == ["c00.wav"]


def test_the_output_folder_inside_the_inputs_is_left_out(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    out = folder / "out"
    clips(out / "outputs_1", 1)
    link = tmp_path / "link"
    link.symlink_to(out)
    assert named(folder, leave_out=link) == ["c00.wav"]
    assert named(folder / "**" / "*.wav", leave_out=link) == ["c00.wav"]
    assert named(folder) == ["c00.wav", "c00.wav"]
    batch([folder], folder)  # the same folder for both
    assert found(folder) == [("c00.wav", "disgusted"), ("c00.wav", "disgusted")]


def test_outputs_of_other_batches_are_left_out(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    for out in (folder / "outputs" / "run_in", folder):
        batch([folder], out)
        clips(out / "normal" / "outputs_c00", 1)
    assert named(folder) == ["c00.wav", "c00.wav"]  # the folder itself was asked for
    assert named(folder / "**" / "*.wav") == ["c00.wav", "c00.wav"]
    [nothing] = jobs(folder / "outputs")
    assert nothing.failure is not None and nothing.failure.code == "no-audio"
    assert named(folder / "outputs" / "run_in") == ["c00.wav"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    (folder / "loop").symlink_to(folder)
    assert named(folder) == ["c00.wav"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="may read everything")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    barred = clips(folder / "barred", 1)
    barred.chmod(0)
    try:
        batch([folder], tmp_path / "out")
    finally:
        barred.chmod(0o700)
    assert found(tmp_path / "out") == [("c00.wav", "disgusted"), ("barred", "audio")]


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clips(tmp_path / "in", 1)
    barred = clips(folder / "barred", 1)
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path) == str(barred):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        batch([folder], tmp_path / "out")
    assert found(tmp_path / "out") == [("c00.wav", "disgusted"), ("barred", "audio")]
    batch([folder], tmp_path / "out")
    assert found(tmp_path / "out") == [("c00.wav", "disgusted"), ("c00.wav", "disgusted")]


def test_text_lists(tmp_path: Path) -> None:
    clips(tmp_path / "in", 1)
    (tmp_path / "a.txt").write_bytes("\ufeffin/c00.wav\r\n\r\n 空 格.wav\n".encode())
    assert [job.file for job in jobs(tmp_path / "a.txt")] == [
        str(tmp_path / "in/c00.wav"),
        str(tmp_path / " 空 格.wav"),
    ]
    given = list(jobs_of(["-"], stdin=io.BytesIO(b"two\nlines.wav\0\xff.wav\0")))
    assert [job.file for job in given] == ["two\nlines.wav", os.fsdecode(b"\xff.wav")]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_tables(tmp_path: Path, name: str, delimiter: str, encoding: str) -> None:
    lines = ["label,File,start,end", "快乐,声.wav,,", "x,b.wav,1.5,2", "x,/c.wav,0.5,"]
    text = "\n".join(lines).replace(",", delimiter)
    (tmp_path / name).write_text(text, encoding=encoding)
    assert jobs(tmp_path / name) == [
        Job(str(tmp_path / "声.wav")),
        Job(str(tmp_path / "b.wav"), 1.5, 2.0),
        Job("/c.wav", 0.5),
    ]


def test_parquet_and_json_lines(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"path": ["a.wav", "b.wav"], "start": [None, 0.5], "end": [None, 2.0], "other": [1, 2]})
    parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"path": "a.wav"}\n\n{"path": "b.wav", "start": 0.5, "end": 2}\n')
    expected = [Job(str(tmp_path / "a.wav")), Job(str(tmp_path / "b.wav"), 0.5, 2.0)]
    assert jobs(tmp_path / "a.parquet") == jobs(tmp_path / "a.jsonl") == expected
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="expected a Parquet table"):
        jobs(tmp_path / "b.parquet")


def test_a_parquet_table_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"")
    from emotrace.errors import MissingExtraError

    with pytest.raises(MissingExtraError, match="or give a CSV table"):
        jobs(tmp_path / "a.parquet")


def test_a_wrong_row_is_one_failure(tmp_path: Path) -> None:
    clips(tmp_path / "in", 1)
    text = "file,start,end\nin/c00.wav,,\nin/c00.wav,2,1\n,,\nin/c00.wav,soon,\nin/c00.wav,-1,\n"
    (tmp_path / "a.csv").write_text(text)
    batch([tmp_path / "a.csv"], tmp_path / "out")
    records = rows(tmp_path / "out")
    reasons = [row["error"]["reason"].partition(": ")[2] for row in records[1:]]
    assert "emotion" in records[0]
    assert reasons == [
        "the segment ends at 1 s, but starts at 2 s",
        "there is no file in this row",
        "start is 'soon'; expected seconds, 0 or more",
        "start is '-1'; expected seconds, 0 or more",
    ]
    assert "line 3" in records[1]["error"]["reason"]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"wav,start\nx,1\n", "has no column 'file' .found: wav, start."),
        ("a.csv", b"", "has no column 'file' .found: none."),
        ("a.csv", b"file,start,File\na.wav,0,ann\n", "has 2 columns 'file'; expected one"),
        ("a.csv", b"\xff\xff\xff\n", "is no text"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=told):
        jobs(tmp_path / name)


def test_lines_that_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('[1]\n{\n{"file": "x.wav"}\n')
    assert [job.failure is None for job in jobs(tmp_path / "a.jsonl")] == [False, False, True]


def test_times() -> None:
    assert segment_times(float("nan"), " ") == (0.0, None)
    for start, end in (("nan", 1), (1, "inf"), (True and [1], 2)):
        with pytest.raises(ValueError, match="expected seconds"):
            segment_times(start, end)


def test_keys_tell_inputs_apart() -> None:
    different = [Job("a"), Job("b"), Job("a", 1.0), Job("a", 0.0, 1.0), Job("a", 1.0, 2.0), Job("a\udcff")]
    assert len({job.key for job in different}) == len(different)
    assert len({job.key for job in (Job("a"), Job("./a"), Job(str(Path.cwd() / "a")))}) == 1


def test_segments_of_one_recording(tmp_path: Path) -> None:
    sound = [level for level in (1, 3, 6) for _ in range(1)]
    import numpy as np

    write(tmp_path / "long.wav", np.concatenate([square(level / 8, 2.0) for level in sound]))
    rows_given = ["4.5,5.5", "0,1.9", "2.1,3.9", "2.1,3.5", "4.1,", "5.9,6.2", "5,9", "7,8", "1.99,2.0"]
    (tmp_path / "a.csv").write_text("file,start,end\n" + "".join(f"long.wav,{row}\n" for row in rows_given))
    batch([tmp_path / "a.csv"], tmp_path / "out")
    records = rows(tmp_path / "out")
    emotions = [row.get("emotion") or row["error"]["code"] for row in records]
    assert emotions == ["sad", "disgusted", "happy", "happy", "sad", "sad", "input", "input", "input"]
    assert [row["duration_seconds"] for row in records[:6]] == pytest.approx([1, 1.9, 1.8, 1.4, 1.9, 0.1])
    assert "lies beyond the end of the recording, which lasts 6.00 s" in records[6]["error"]["reason"]
    assert f"{str(tmp_path / 'long.wav')!r} from 1.99 to 2 s is too short" in records[8]["error"]["reason"]


def test_segments_of_a_recording_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no")
    (tmp_path / "a.csv").write_text("file,start,end\nbad.wav,0,1\nbad.wav,1,2\ngone.wav,1,2\n")
    batch([tmp_path / "a.csv"], tmp_path / "out")
    assert [code for _, code in found(tmp_path / "out")] == ["audio", "audio", "audio"]


def test_a_segment_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.batch.cutting.LONGEST", 2.0)
    write(tmp_path / "long.wav", square(0.5, 5.0))
    (tmp_path / "a.csv").write_text("file,start,end\nlong.wav,0,3\nlong.wav,1,\nlong.wav,3,\n")
    batch([tmp_path / "a.csv"], tmp_path / "out")
    assert [code for _, code in found(tmp_path / "out")] == ["input", "input", "neutral"]
