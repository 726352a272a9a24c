"""Tables and annotations of a batch, read by others; columns of the tables of inputs in them."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.batch.manifests import jobs_of
from emotrace.batch.options import BatchOptions
from emotrace.batch.runner import run_batch
from emotrace.batch.sinks import FORMATS
from emotrace.errors import InputError, MissingExtraError, OptionError
from emotrace.labels import LABELS
from tests.batch.made import batch, clips, engine, rows
from tests.cli.command import square, write


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A table of segments, a recording, a missing one and a broken row."""
    folder = clips(tmp_path / "in", 2)
    loud = np.concatenate([square(level / 8, 1.0) for level in (3, 6)])
    write(folder / "lo'ng \n声.wav", loud)
    table = [
        ("file", "start", "end", "Speaker", "age", "emotion", "x"),
        ("lo'ng \n声.wav", "0", "1", "anna", "33", "happy", "1"),
        ("lo'ng \n声.wav", "1", "", "anna", "33", "", "2.5"),
        ("c01.wav", "", "", "bert", "", "sad", "3"),
        ("missing.wav", "", "", "carl", "", "", ""),
        ("c00.wav", "2", "1", "dora", "", "", ""),
    ]
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)
    return folder / "table.csv"


def test_pandas_and_duckdb_read_the_data_set(inputs: Path, tmp_path: Path) -> None:
    pandas, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")
    batch([inputs], tmp_path / "out", formats=("parquet",))
    table = pandas.read_parquet(tmp_path / "out" / "results.parquet")
    assert table["status"].tolist() == ["ok", "ok", "ok", "failed", "failed"]
    assert table["Speaker"].tolist() == ["anna", "anna", "bert", "carl", "dora"]
    assert table["given_emotion"].fillna("").tolist() == ["happy", "", "sad", "", ""]
    assert table["error_code"].fillna("").tolist() == ["", "", "", "audio", "input"]
    assert table["embedding"].map(lambda each: 0 if each is None else len(each)).tolist()[3:] == [0, 0]
    assert len(table["embedding"][0]) > 0 and table["quality_level_db"].notna().tolist()[:3] == [True] * 3
    assert (table.loc[:2, "processing_seconds"] >= 0).all()
    assert table.loc[:2, list(LABELS)].sum(axis=1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    place = str(tmp_path / "out" / "results.parquet" / "*.parquet")
    [counted] = duckdb.sql(
        f"SELECT count(*), count(emotion), count(verdict), max(\"end\"), max(len(embedding)) FROM '{place}'"
    ).fetchall()
    assert counted[:4] == (5, 3, 3, 1.0) and counted[4] == len(table["embedding"][0])


def test_columns_of_the_inputs_are_in_every_table(inputs: Path, tmp_path: Path) -> None:
    batch([inputs], tmp_path / "out", formats=("csv", "jsonl"))
    assert rows(tmp_path / "out")[0]["given"] == {
        "Speaker": "anna",
        "age": "33",
        "emotion": "happy",
        "x": "1",
    }
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["Speaker"] for row in table] == ["anna", "anna", "bert", "carl", "dora"]
    assert table[0]["given_emotion"] == "happy" != table[0]["reason"]
    inputs.write_text(inputs.read_text("utf-8").replace("anna", "emma"), "utf-8")  # costs no recognition
    report = batch([inputs], tmp_path / "out", formats=("jsonl",))
    assert report.record["done_now"] == 0 and rows(tmp_path / "out")[1]["given"]["Speaker"] == "emma"


def test_columns_of_a_parquet_table_keep_their_types(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    folder = clips(tmp_path / "in", 2)
    given = {
        "file": ["c00.wav", "c01.wav"],
        "age": [33, None],
        "score": [0.5, float("nan")],
        "child": [True, False],
        "embedding": [[1.0], [2.0]],
        "when": pa.array([0, 1], pa.timestamp("s")),
    }
    parquet.write_table(pa.table(given), folder / "a.parquet")
    (folder / "more.jsonl").write_text('{"file": "c00.wav", "start": 0.1, "age": 3.5, "score": 1}\n')
    batch([folder / "a.parquet", folder / "more.jsonl"], tmp_path / "out", formats=("parquet",))
    table = parquet.read_table(tmp_path / "out" / "results.parquet")
    kinds = {name: str(table.schema.field(name).type) for name in ("age", "score", "child", "when")}
    assert kinds == {"age": "double", "score": "double", "child": "bool", "when": "string"}
    assert table["age"].to_pylist() == [33.0, None, 3.5]
    assert table["when"].to_pylist() == ["1970-01-01 00:00:00", "1970-01-01 00:00:01", None]
    batch([tmp_path / "out" / "results.parquet" / "part-00000.parquet"], tmp_path / "again")  # its own output


ANNOTATIONS = ("rttm", "textgrid", "elan", "webvtt", "audformat")


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, in audformat's own reading
def test_annotations_of_a_batch(inputs: Path, tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    textgrid = pytest.importorskip("praatio.textgrid")
    util = pytest.importorskip("pyannote.database.util")
    out = tmp_path / "out"
    batch([inputs], out, formats=ANNOTATIONS)
    assert sorted(path.name for path in (out / "textgrid").iterdir()) == [
        "c01.TextGrid",
        "lo'ng \n声.TextGrid",
    ]
    grid = textgrid.openTextgrid(str(out / "textgrid" / "lo'ng \n声.TextGrid"), includeEmptyIntervals=True)
    assert [tuple(each) for each in grid.getTier("emotion").entries] == [(0, 1, "happy"), (1, 2, "sad")]
    lines = "".join(path.read_text("utf-8") for path in sorted((out / "rttm").iterdir()))
    (tmp_path / "all.rttm").write_text(lines, "utf-8")
    found = util.load_rttm(tmp_path / "all.rttm")
    assert {name: len(each) for name, each in found.items()} == {"c01": 1, "lo'ng_声": 2}
    database = audformat.Database.load(str(out / "audformat"))
    assert database["emotion.recordings"].get()["emotion"].tolist() == ["happy", "sad", "fearful"]
    for name in ("elan", "webvtt"):
        assert len(list((out / name).iterdir())) == 2
    before = {
        path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".eaf", ".parquet", ".vtt")
    }
    batch([inputs], out, formats=ANNOTATIONS)
    assert {path: path.read_bytes() for path in before} == before


def test_files_of_one_name_in_two_folders(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    clips(folder / "more", 1)
    clips(folder / "MORE", 1)
    batch([folder], tmp_path / "out", formats=("rttm", "classic"))
    names = ["c00.rttm", "c00_2.rttm", "c00_3.rttm"]
    assert sorted(path.name for path in (tmp_path / "out" / "rttm").iterdir()) == names
    told = [(tmp_path / "out" / "rttm" / name).read_text().split()[1] for name in names]
    assert told == ["c00", "c00_2", "c00_3"]
    assert len(list((tmp_path / "out").glob("*_result.json"))) == 3


def test_a_folder_that_no_batch_wrote_stays(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    (tmp_path / "out" / "elan").mkdir(parents=True)
    with pytest.raises(InputError, match="holds a 'elan' that no batch wrote"):
        batch([folder], tmp_path / "out", formats=("elan",))


def test_audformat_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.outputs.formats.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match="audformat"):
        BatchOptions(formats=("audformat",))


def test_a_recording_without_segments_and_one_with(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    steps: Any = np.concatenate([square(level / 8, 3.0) for level in (3, 6)])
    write(folder / "long.wav", steps)
    chosen = engine(smoothing={"method": "median"})
    run_batch(jobs_of([str(folder)]), tmp_path / "out", chosen, BatchOptions(formats=("rttm", "jsonl")))
    record = json.loads((tmp_path / "out" / "results.jsonl").read_text().splitlines()[1])
    lines = (tmp_path / "out" / "rttm" / "long.rttm").read_text().splitlines()
    assert len(record["segments"]) == len(lines) >= 2
    assert len((tmp_path / "out" / "rttm" / "c00.rttm").read_text().splitlines()) == 1


ODD = ("two\nlines.wav", "a 'b' \"c\".wav", "声音 <&>;.wav", "-start.wav", "#?%41.wav", "a\\b.wav")


@pytest.mark.skipif(os.name != "posix", reason="these names are not allowed")
def test_odd_names_in_every_form(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    folder = clips(tmp_path / "in", 1)
    for odd in (*map(os.fsencode, ODD), b"\xff\xfe.wav"):
        (folder / os.fsdecode(odd)).write_bytes((folder / "c00.wav").read_bytes())
    report = batch([folder], tmp_path / "out", formats=FORMATS)
    assert report.record["succeeded"] == 8
    files = {"\udcff\udcfe.wav", "c00.wav", *ODD}
    shown = {name.encode("utf-8", "backslashreplace").decode() for name in files}
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        assert {Path(row["file"]).name for row in csv.DictReader(file)} == shown
    assert {Path(row["file"]).name for row in rows(tmp_path / "out")} == files
    for name in ("rttm", "textgrid", "elan", "webvtt"):
        assert len(list((tmp_path / "out" / name).iterdir())) == 8
    assert len(list((tmp_path / "out").glob("*_result.json"))) == 8


def test_the_output_folder_is_no_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clips(tmp_path / "in", 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="expected a folder of this machine"):
        batch([folder], Path("s3://bucket/out"))
    assert not (tmp_path / "s3:").exists()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, in audformat's own reading
def test_no_result_at_all_in_every_form(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    (tmp_path / "bad.wav").write_bytes(b"no")
    batch([tmp_path / "bad.wav"], tmp_path / "out", formats=FORMATS)
    assert len(audformat.Database.load(str(tmp_path / "out" / "audformat"))["emotion.recordings"]) == 0
    assert not list((tmp_path / "out" / "rttm").iterdir())
