"""``--format`` of ``emotrace analyze`` and ``emotrace batch``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotrace.cli.request import split_names
from tests.cli.command import square, write
from tests.cli.conftest import Run


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return write(tmp_path / "a talk.wav", np.concatenate([square(3 / 8, 3), square(6 / 8, 3)]))


def test_one_form_on_standard_output(fake: Run, talk: Path) -> None:
    code, out, err = fake("analyze", talk, "--format", "rttm", "--smooth", "median")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert {line[1] for line in lines} == {"a_talk"}
    assert (lines[0][7], lines[-1][7]) == ("happy", "sad")
    _, out, _ = fake("analyze", talk, "--format", "webvtt", "--lang", "zh")
    assert out.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:06.000\n")
    _, out, _ = fake("analyze", talk, "--format", "json", "--granularity", "frame")
    assert json.loads(out)["frames"]


def test_any_forms_in_the_folder_of_the_result(fake: Run, talk: Path, tmp_path: Path) -> None:
    names = "json,csv,rttm,textgrid,elan,webvtt"
    code, _, _ = fake("analyze", talk, "--format", names, "--out", tmp_path / "out")
    [folder] = (tmp_path / "out").iterdir()
    assert code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        *("processed_audio.wav", "result.TextGrid", "result.csv", "result.eaf", "result.json"),
        *("result.rttm", "result.vtt"),
    ]
    assert 'RELATIVE_MEDIA_URL="./processed_audio.wav"' in (folder / "result.eaf").read_text("utf-8")
    assert "a talk.wav" in (folder / "result.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--format", "docx"), "format is 'docx'; expected one of json, csv, rttm"),
        (("--format", "rttm,elan"), "standard output takes one: add --out"),
        (("--format", "rttm", "--json"), "give one of them, or add --out"),
        (("--format", "rttm", "OTHER"), "2 inputs came: add --out"),
    ],
)
def test_what_cannot_be_is_told_before_the_work(
    fake: Run, talk: Path, options: tuple[str, ...], told: str
) -> None:
    given = [str(talk) if option == "OTHER" else option for option in options]
    code, out, err = fake("analyze", talk, *given)
    assert (code, out) == (2, "")
    assert told in err


def test_a_failure_writes_nothing(fake: Run, tmp_path: Path) -> None:
    code, out, err = fake("analyze", tmp_path / "missing.wav", "--format", "elan")
    assert (code, out) == (3, "") and "does not exist" in err


def test_names_may_have_commas_between() -> None:
    assert split_names(["rttm, elan", "rttm", "csv"]) == ("rttm", "elan", "csv")
    assert split_names(None) == ()
