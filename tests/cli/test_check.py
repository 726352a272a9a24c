"""``emotrace check``: what is found, in which words, with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotrace.cli import exit_codes
from emotrace.cli.check import WORDS
from emotrace.cli.texts import Language
from tests.cli.command import write
from tests.cli.conftest import Run
from tests.voices import voice

SAMPLE = Path(__file__).parents[2] / "src" / "emotrace" / "sample" / "moods.flac"


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    return write(tmp_path / "silent.wav", np.zeros(32_000))


def test_both_languages_have_the_same_texts() -> None:
    assert WORDS[Language.en].keys() == WORDS[Language.zh].keys()
    for key, text in WORDS[Language.en].items():
        assert text.count("{") == WORDS[Language.zh][key].count("{")


def test_a_table_with_advice(run: Run, tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", np.clip(voice(8_000, level=2.0), -1, 1))
    code, out, err = run("check", short)
    assert (code, err) == (exit_codes.OK, "")
    assert "short.wav  not usable" in out
    assert "too short: 0.5 s" in out
    assert "clipped:" in out
    assert out.count("→") == out.count("⚠") >= 2


def test_chinese(run: Run, silent: Path) -> None:
    code, out, _ = run("check", silent, "--lang", "zh")
    assert code == exit_codes.OK
    assert "⚠" in out
    assert "静音" in out
    assert "数字静音" in out
    assert "mostly" not in out


def test_json_has_one_line_for_each_input(run: Run, silent: Path, tmp_path: Path) -> None:
    code, out, err = run("check", "--json", silent, tmp_path / "none.wav")
    assert code == exit_codes.SOME_FAILED
    first, second = (json.loads(line) for line in out.splitlines())
    assert first["source"] == str(silent)
    assert first["quality"]["content"] == "silence"
    assert first["quality"]["snr_db"] is None
    assert first["decision"] in ("flag", "drop")
    assert "mostly-silence" in [finding["code"] for finding in first["findings"]]
    assert all(finding["advice"] and finding["advice_zh"] for finding in first["findings"])
    assert second["error"]["code"] == "audio"
    assert "does not exist" in err


def test_the_sample_is_speech(run: Run) -> None:
    code, out, _ = run("check", "--json", SAMPLE)
    assert code == exit_codes.OK
    assert json.loads(out)["quality"]["content"] == "speech"


def test_findings_fail_only_if_that_is_asked_for(run: Run, silent: Path, tmp_path: Path) -> None:
    assert run("check", silent)[0] == exit_codes.OK
    assert run("check", silent, "--fail-on-finding")[0] == exit_codes.FINDING
    assert run("check", tmp_path / "none.wav", "--fail-on-finding")[0] == exit_codes.INPUT


def test_thresholds_are_those_of_the_preset(run: Run, silent: Path, tmp_path: Path) -> None:
    presets = tmp_path / "mine.toml"
    presets.write_text('[quiet]\nmax_silence_share = "off"\nmin_speech_of_sound = "off"\n')
    code, out, _ = run("check", silent, "--json", "--presets", presets, "--preset", "quiet")
    assert (code, json.loads(out)["findings"]) == (exit_codes.OK, [])
    code, out, err = run("check", silent, "--preset", "nonsense")
    assert (code, out) == (exit_codes.USAGE, "")
    assert "no preset 'nonsense'" in err


@pytest.mark.parametrize("content", [b"", b"this is no sound at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_broken_files_give_one_line(run: Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    code, out, err = run("check", path)
    assert (code, out) == (exit_codes.INPUT, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_folder_and_a_channel_that_is_not_there(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "a.wav", voice(16_000))
    write(tmp_path / "b.wav", voice(16_000))
    code, out, _ = run("check", tmp_path, "--json")
    assert (code, len(out.splitlines())) == (exit_codes.OK, 2)
    code, _, err = run("check", tmp_path / "a.wav", "--channel", "3")
    assert code == exit_codes.INPUT
    assert "has no channel 3" in err
    assert run("check", tmp_path / "a.wav", "--channel", "-1")[0] == exit_codes.USAGE
