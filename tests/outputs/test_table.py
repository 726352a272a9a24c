from __future__ import annotations

import csv
import errno
import io
from pathlib import Path

import pytest

from emotrace.errors import OutputError
from emotrace.outputs import CsvTable, csv_file
from emotrace.outputs.table import COLUMNS, row, safe
from emotrace.results import Failure
from tests.outputs.made import HAPPY, VERDICT, made, names

FAILURE = Failure("b.wav", "audio", "'b.wav' is empty (0 bytes); expected an audio file")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_per_input(tmp_path: Path) -> None:
    with csv_file(tmp_path / "t.csv") as table:
        table.write(made("a.wav", speech_duration=1.5, warnings=("short", "clipped")))
        table.write(FAILURE)
    good, bad = read(tmp_path / "t.csv")
    assert list(good) == list(COLUMNS)
    assert (good["status"], good["emotion"]) == ("ok", "happy")
    assert {label: float(good[label]) for label in HAPPY} == pytest.approx(HAPPY)
    assert (good["duration_seconds"], good["speech_seconds"]) == ("2.000", "1.500")
    assert good["warnings"] == "short; clipped"
    assert (good["verdict"], good["reasons"]) == ("", "")
    assert (bad["status"], bad["emotion"], bad["error_code"]) == ("failed", "", "audio")
    assert bad["reason"] == FAILURE.reason
    assert names(tmp_path) == ["t.csv"]


def test_the_verdict_and_the_codes_of_its_reasons_come_last(tmp_path: Path) -> None:
    with csv_file(tmp_path / "t.csv") as table:
        table.write(made(verdict=VERDICT))
        table.write(FAILURE)
    judged, failed = read(tmp_path / "t.csv")
    assert list(judged)[-2:] == ["verdict", "reasons"]
    assert (judged["verdict"], judged["reasons"]) == ("drop", "low-confidence clipped")
    assert (failed["verdict"], failed["reasons"]) == ("", "")


@pytest.mark.parametrize("name", ["two\nlines.wav", 'a "b", c.wav', "声音😊.wav", "  x  .wav", "a\rb.wav"])
def test_any_name_comes_back(tmp_path: Path, name: str) -> None:
    with csv_file(tmp_path / "t.csv") as table:
        table.write(made(name))
        table.write(made("next.wav"))
    assert [r["source"] for r in read(tmp_path / "t.csv")] == [name, "next.wav"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_name_is_a_formula(start: str) -> None:
    name = f"{start}HYPERLINK(1).wav"
    assert row(made(name))["source"] == f"'{name}"
    assert row(Failure(name, "audio", f"{start}x"))["reason"].startswith("'")
    assert safe("a" + name) == "a" + name


def test_a_surrogate_does_not_stop_the_table(tmp_path: Path) -> None:
    with csv_file(tmp_path / "t.csv") as table:
        table.write(made("a\udcff.wav"))
    assert read(tmp_path / "t.csv")[0]["source"] == "a\\udcff.wav"


def test_after_an_exception_the_old_file_is_still_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt), csv_file(tmp_path / "t.csv") as table:
        table.write(made())
        raise KeyboardInterrupt
    assert (tmp_path / "t.csv").read_text() == "old"
    assert names(tmp_path) == ["t.csv"]


def test_errors_of_others_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), csv_file(tmp_path / "t.csv"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert names(tmp_path) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with csv_file(tmp_path / "link.csv"):
        pass
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("source,")


@pytest.mark.parametrize(("name", "reason"), [(".", "is a folder"), ("no/t.csv", "does not exist; make it")])
def test_places_that_cannot_be_written(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason), csv_file(tmp_path / name):
        pass


def with_rows(path: Path, count: int) -> None:
    with csv_file(path) as table:
        for _ in range(count):
            table.write(made())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'/dev/full' cannot be written: the disk is full"):
        with_rows(Path("/dev/full"), 1)
    (tmp_path / "link.csv").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="the disk is full"):
        with_rows(tmp_path / "link.csv", 1000)
    assert Path("/dev/full").exists()


def test_errors_of_an_open_file_are_not_explained() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        CsvTable(Gone())
