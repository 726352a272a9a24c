"""``emotrace live`` as a user types it."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from emotrace.audio import load
from emotrace.cli import exit_codes
from emotrace.cli.app import main
from emotrace.sample import sample_path
from tests.cli.command import run


def pcm() -> bytes:
    samples = np.clip(load(sample_path()).samples, -1, 1)
    return bytes((samples * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def sound() -> bytes:
    return pcm()


def piped(content: bytes, *arguments: str) -> Any:
    return run("live", "-", *arguments, input=content, text=False, encoding=None)


def test_lines_come_while_somebody_speaks_and_a_result_at_the_end(sound: bytes) -> None:
    done = piped(sound, "--hop", "0.5")
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "in all" in lines[-1]
    assert any(" to " in line for line in lines[:-1])
    assert sum(" s  " in line and " to " not in line for line in lines[:-1]) >= 2


def test_json_lines_are_the_events_and_end_with_the_recognition_of_an_upload(sound: bytes) -> None:
    done = piped(sound, "--json", "--smooth", "none")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [records[0]["type"], records[-1]["type"]] == ["speech.started", "recognition"]
    assert {"emotion", "speech.ended"} <= {record["type"] for record in records}
    upload = run("analyze", sample_path(), "--granularity", "segment", "--json")
    expected = json.loads(upload.stdout)["segments"]
    found = records[-1]["recognition"]["segments"]
    assert [(s["start"], s["end"], s["emotion"]) for s in found] == [
        (s["start"], s["end"], s["emotion"]) for s in expected
    ]


@pytest.mark.parametrize(
    ("content", "arguments", "code", "said"),
    [
        (b"", (), exit_codes.INPUT, "too short"),
        (bytes(64_000), (), exit_codes.NO_SPEECH, "only silence"),
        (bytes(64_001), (), exit_codes.NO_SPEECH, "no whole sample"),
        (b"RIFF" + bytes(4000), (), exit_codes.INPUT, "a WAV file came"),
        (b"", ("--rate", "4000"), exit_codes.USAGE, "8000 to 48000"),
        (b"", ("--channels", "0"), exit_codes.USAGE, "1 to 16"),
        (b"", ("--hop", "0.01"), exit_codes.USAGE, "hop is 0.01"),
        (b"", ("--preset", "nonsense"), exit_codes.USAGE, "nonsense"),
        (b"", ("--microphone", "1"), exit_codes.USAGE, "no effect on standard input"),
    ],
)
def test_what_cannot_be_heard_is_told(
    content: bytes,
    arguments: tuple[str, ...],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
    assert main(["live", "-", *arguments]) == code
    assert said in capsys.readouterr().err


def test_a_closed_standard_input_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["live", "-"]) == exit_codes.INPUT
    assert "standard input is closed" in capsys.readouterr().err


def test_a_file_is_sent_to_analyze(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "talk.wav"]) == exit_codes.USAGE
    assert "emotrace analyze" in capsys.readouterr().err


def test_without_the_extra_the_microphone_is_told_how_to_get(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["live"]) == exit_codes.MODEL
    assert "emotrace[live]" in capsys.readouterr().err


class Microphone:
    """PortAudio's stream, which hears a recording and then Ctrl-C."""

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self._chunks = self._cut(pcm(), 2 * asked["blocksize"])

    def _cut(self, content: bytes, size: int) -> Iterator[bytes]:
        for start in range(0, len(content) - size, size):
            yield content[start : start + size]

    def start(self) -> None: ...

    def read(self, count: int) -> tuple[bytes, bool]:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise KeyboardInterrupt
        assert len(chunk) == 2 * count
        return chunk, True

    def __enter__(self) -> Microphone:
        return self

    def __exit__(self, *error: object) -> None: ...


def library(opened: Any) -> types.ModuleType:
    module = types.ModuleType("sounddevice")
    module.RawInputStream = opened  # type: ignore[attr-defined]
    module.PortAudioError = OSError  # type: ignore[attr-defined]
    return module


def test_the_microphone_is_heard_until_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", library(Microphone))
    assert main(["live", "--microphone", "2", "--smooth", "none"]) == exit_codes.OK
    said = capsys.readouterr()
    assert "in all" in said.out
    assert said.err.count("sound was lost") == 1
    assert "listening" in said.err and "stopped" in said.err


def test_a_microphone_that_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_there(**asked: Any) -> None:
        raise ValueError(f"No input device matching {asked['device']!r}")

    monkeypatch.setitem(sys.modules, "sounddevice", library(none_there))
    assert main(["live", "--microphone", "desk"]) == exit_codes.INPUT
    assert "No input device matching 'desk'" in capsys.readouterr().err
