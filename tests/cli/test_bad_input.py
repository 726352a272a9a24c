"""The bad input of the world, through the installed command."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.audio.tones import encode, film, tone
from tests.cli.command import run, square, write
from tests.outputs.made import names

GOOD = ("with spaces.wav", "two\nlines.wav", "emoji 😊.wav", "中文录音.wav", "[brackets]*.wav", "dc.wav")

BAD = {
    "missing.wav": ("audio", "does not exist"),
    "folder": ("no-audio", "holds no audio file"),
    "nothing-*.wav": ("audio", "nothing matches the pattern"),
    "empty.wav": ("audio", "is empty (0 bytes)"),
    "header.wav": ("no-audio", "not one sample"),
    "cut.mp4": ("audio", "damaged or cut off"),
    "text.wav": ("audio", "expected an audio"),
    "picture.mp3": ("audio", "expected an audio"),
    "silent-film.mp4": ("no-audio", "no audio stream"),
    "ten-ms.wav": ("input", "too short"),
    "silence.wav": ("no-speech", "expected speech"),
    "https://example.org/a.wav": ("audio", "URL"),
}


def png() -> bytes:
    """A picture."""
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as file:
        stream: Any = file.add_stream("png", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of everything that people give."""
    root = tmp_path_factory.mktemp("zoo")
    for name in GOOD:
        write(root / name, square(0.4))
    write(root / "dc.wav", square(0.3) + 0.2)
    (root / "folder").mkdir()
    (root / "folder" / "notes.txt").write_text("no audio here")
    (root / "empty.wav").touch()
    whole = write(root / "whole.wav", square(0.4)).read_bytes()
    (root / "header.wav").write_bytes(whole[:40] + struct.pack("<I", 0))
    (root / "cut.mp4").write_bytes(film(tone(seconds=1.0))[:600])
    (root / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (root / "text.wav").write_text("This is a text, not a recording.\n" * 20)
    (root / "picture.mp3").write_bytes(png())
    (root / "silent-film.mp4").write_bytes(film(None))
    (root / "film.mp4").write_bytes(film(tone(seconds=1.0)))
    write(root / "ten-ms.wav", square(0.4, 0.01))
    write(root / "silence.wav", np.zeros(16000))
    (root / "many.wav").write_bytes(encode([tone(seconds=0.3, rate=192000)] * 8, 192000))
    claims = bytearray(whole)
    claims[40:44] = struct.pack("<I", 20 * 3600 * 32000)  # a header that claims 20 hours
    (root / "20-hours.wav").write_bytes(claims)
    return root


@pytest.fixture(scope="module")
def told(zoo: Path) -> tuple[int, dict[str, Any], str]:
    """Everything at once: exit code, record of each input, standard error."""
    others = ("truncated.wav", "film.mp4", "many.wav", "20-hours.wav")
    inputs = [name for pair in zip(BAD, GOOD * 2, strict=False) for name in pair] + [*others]
    done = run("analyze", *inputs, "--json", cwd=zoo)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == inputs
    return done.returncode, {record["source"]: record for record in records}, done.stderr


def test_the_run_ends_with_the_code_for_some_that_failed(told: tuple[int, dict[str, Any], str]) -> None:
    code, records, err = told
    assert code == 5
    assert "Traceback" not in err
    lines = err.splitlines()
    assert all(line.startswith("emotrace: ") for line in lines)
    assert len(lines) == len([r for r in records.values() if "error" in r]) + 1


@pytest.mark.parametrize("name", BAD)
def test_each_bad_input_has_its_reason(told: tuple[int, dict[str, Any], str], name: str) -> None:
    code, reason = BAD[name]
    error = told[1][name]["error"]
    assert error["code"] == code
    assert reason in error["reason"]
    assert "\n" not in error["reason"]
    assert error["reason"] in told[2]


@pytest.mark.parametrize("name", [*GOOD, "film.mp4", "many.wav"])
def test_the_others_are_still_done(told: tuple[int, dict[str, Any], str], name: str) -> None:
    record = told[1][name]
    assert "error" not in record
    assert record["confidence"] > 0


def test_what_is_damaged_but_audible_is_recognised_with_a_warning(
    told: tuple[int, dict[str, Any], str],
) -> None:
    assert told[1]["truncated.wav"]["duration_seconds"] == pytest.approx(0.5, abs=0.05)
    assert any("cut off" in warning for warning in told[1]["truncated.wav"]["warnings"])
    assert any("DC offset" in warning for warning in told[1]["dc.wav"]["warnings"])


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing.wav", 3), ("folder", 3), ("text.wav", 3), ("silence.wav", 4), ("ten-ms.wav", 3)],
)
def test_alone_it_is_the_code_of_its_kind_and_one_sentence(zoo: Path, name: str, code: int) -> None:
    done = run("analyze", name, cwd=zoo)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("emotrace: ")
    assert done.stderr.count("\n") == 1


def test_a_header_that_lies_about_the_length_is_not_believed(told: tuple[int, dict[str, Any], str]) -> None:
    assert told[1]["20-hours.wav"]["duration_seconds"] == pytest.approx(1.0, abs=0.01)


def test_names_are_shown_on_one_line(zoo: Path) -> None:
    done = run("analyze", "two\nlines.wav", "emoji 😊.wav", "no\nfile.wav", cwd=zoo)
    assert done.returncode == 5
    assert [line.split("  ")[-1].strip() for line in done.stdout.splitlines() if line.endswith(".wav")] == [
        "two\\nlines.wav",
        "emoji 😊.wav",
    ]
    assert "'no\\nfile.wav' does not exist" in done.stderr


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    odd = write(tmp_path / "plain.wav", square(0.4)).rename(
        tmp_path / b"a\xff.wav".decode("utf-8", "surrogateescape")
    )
    done = run("analyze", odd, "--json", "--csv", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert done.returncode == 0
    assert json.loads(done.stdout)["source"] == str(odd)
    assert "a\\udcff.wav" in (tmp_path / "t.csv").read_text("utf-8")
    assert names(tmp_path / "out")[0].startswith("outputs_")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "NAME"), 3),
        (("run", ".", "--out", "NAME"), 7),
        (("watch", "NAME", "--out", "out"), 3),
        (("batch", ".", "--out", "NAME"), 7),
        (("outputs", "list", "NAME"), 3),
        (("analyze", "talk.wav", "--csv", "NAME"), 7),
        (("analyze", "talk.wav", "--out", "NAME"), 7),
    ],
)
def test_a_place_that_the_system_does_not_look_up_is_no_bug(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    write(tmp_path / "talk.wav", square(0.4))
    done = run(*(word.replace("NAME", 300 * "x") for word in arguments), cwd=tmp_path)
    assert done.returncode == code
    assert "a bug of emotrace" not in done.stderr
