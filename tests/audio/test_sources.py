"""What can be given, how it is named, and what cannot be opened."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.audio import Limits, load, name_of, stream
from emotrace.errors import AudioError, LimitError, OptionError
from emotrace.results import Signal
from tests.audio.tones import Pipe, encode, tone

WAV = encode(tone(440, 1), 16000)
MP4 = encode(tone(440, 1), 16000, "ipod", "aac")
MP4_INDEX_FIRST = encode(tone(440, 1), 16000, "ipod", "aac", movflags="faststart")
ODD_NAMES = ["two words.wav", "two\nlines.wav", "声音.wav", "😀.wav", "a'b\"c.wav", "%03d.wav", "-i.wav", "x"]


def message(source: Any, **options: Any) -> str:
    """The one-line message with which a source is refused."""
    with pytest.raises(AudioError) as caught:
        load(source, **options)
    text = str(caught.value)
    assert text.isprintable(), text
    assert len(text) < 500
    return text


@pytest.mark.parametrize("content", [WAV, MP4, MP4_INDEX_FIRST])
def test_path_bytes_file_and_pipe_give_the_same(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sound.bin"
    path.write_bytes(content)
    expected = load(content).samples
    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        sources: list[Any] = [path, str(path), bytearray(content), file, raw, io.BytesIO(content)]
        pipes = [Pipe(content), Pipe(content, 1), io.BufferedReader(Pipe(content, 7))]
        for source in sources + pipes:
            assert np.array_equal(load(source).samples, expected)
        assert not file.closed


def test_a_file_object_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"some header" + MP4)
    file.seek(11)
    assert np.array_equal(load(file).samples, load(MP4).samples)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(WAV)
    assert load(path).duration == 1
    path.write_bytes(b"no sound in here")
    assert f"{name!r} is text"[1:] in message(path)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.wav"
    try:
        Path(os.fsdecode(path)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system has only names of text")
    assert "is empty" in message(os.fsdecode(path))


def test_an_extension_helps_where_there_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "call.g722"
    path.write_bytes(encode(tone(440, 1), 16000, "g722", "g722"))
    assert load(path).duration == pytest.approx(1)


def test_standard_input() -> None:
    program = (
        "import sys; from emotrace.audio import *; s = sys.stdin.buffer; print(name_of(s), load(s).duration)"
    )
    for content in (WAV, MP4):
        shown = subprocess.run(
            [sys.executable, "-c", program], input=content, capture_output=True, check=False
        )
        assert (shown.returncode, shown.stderr) == (0, b"")
        assert shown.stdout.split()[0] == b"<stdin>"
        assert float(shown.stdout.split()[1]) == pytest.approx(1, abs=0.1)


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="no /dev/stdin")
def test_standard_input_by_its_path() -> None:
    program = "from emotrace.audio import *; print(load('/dev/stdin').duration)"
    shown = subprocess.run([sys.executable, "-c", program], input=WAV, capture_output=True, check=False)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, b"1.0\n", b"")


def test_names(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        assert name_of(file) == str(tmp_path / "x")
    assert name_of(Path("a") / "b.wav") == str(Path("a") / "b.wav")
    assert name_of(io.BytesIO()) == "<file object>"
    assert name_of(Signal(tone(), 16000)) == name_of((tone(), 16000)) == "<array>"


def test_missing_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    expected = {
        "no.wav": "does not exist; expected an audio file",
        "empty.wav": "is empty (0 bytes); expected an audio file",
        "empty.wav/x.wav": "does not exist; expected an audio file",
        "": "is a folder; expected an audio file",
        "a\0b": "embedded null",
        "n" * 5000: "cannot be opened: File name too long",
    }
    for name, words in expected.items():
        assert words in message(os.path.join(tmp_path, name) if name else str(tmp_path))  # noqa: PTH118
    assert message("") == "an empty path came; expected the path of an audio file"
    assert message(b"") == "<bytes> is empty (0 bytes); expected an audio file"
    assert message(Pipe(b"")) == "<file object> is empty (0 bytes); expected an audio file"


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(WAV)

    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # root may read everything, so mode bits would not do
    assert "permission denied; check the file's permissions" in message(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_special_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket.wav"))
    started = time.monotonic()
    assert "is a named pipe; expected an audio file" in message(tmp_path / "pipe.wav")
    assert "is a socket; expected an audio file" in message(tmp_path / "socket.wav")
    assert "is a device; expected an audio file" in message("/dev/zero")
    assert time.monotonic() - started < 1
    server.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Dear reader,\nthis is a letter.\n", "is text;"),
        ("声音" * 3000, "is text;"),
        (b"<!doctype html><html></html>", "is a web page or XML file;"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture (PNG);"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "is a picture (JPEG);"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(50), "is a picture (WebP);"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(50), "is a PDF document;"),
        (b"PK\x03\x04" + bytes(50), "is a ZIP archive or an Office document;"),
        (bytes(1000) + bytes(range(256)) * 9, "is in no audio or video format that is known here;"),
        (bytes(100_000), "is damaged: nothing of it can be decoded;"),
    ],
)
def test_what_is_no_audio_is_named(content: bytes | str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp3"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert words in message(path)


def test_files_that_cannot_be_read() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise OSError(5, "Input/output error")

    class Greedy(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(-1)

        def seekable(self) -> bool:
            return False

        read1 = read

    closed = io.BytesIO(WAV)
    closed.close()
    assert message(Broken()) == "<file object> cannot be read: Input/output error"
    assert "open in text mode" in message(io.StringIO("RIFF"))
    assert message(closed) == "<file object> is closed; give an open file"
    assert "bytes when asked for" in message(Greedy(bytes(200_000)))


def test_an_error_in_the_middle_of_a_file() -> None:
    class Fragile(Pipe):
        def readinto(self, buffer: Any) -> int:
            if self.given > 100_000:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    blocks = stream(Fragile(encode(tone(440, 60), 16000)))
    assert len(next(blocks)) == 16000
    with pytest.raises(AudioError, match=r"cannot be read: .*Input/output error"):
        list(blocks)


def test_an_interrupt_passes_through() -> None:
    class Interrupted(Pipe):
        def readinto(self, buffer: Any) -> int:
            if self.given > 100_000:
                raise KeyboardInterrupt
            return super().readinto(buffer)

    with pytest.raises(KeyboardInterrupt):
        load(Interrupted(encode(tone(440, 60), 16000)))


def test_limit_on_bytes(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(WAV)
    limits = Limits(max_bytes=len(WAV) - 1)
    for source in (path, WAV, io.BytesIO(WAV), Pipe(WAV), Pipe(MP4 * 10)):
        with pytest.raises(LimitError, match=r"bytes; the limit is \d+; cut it or raise max_bytes"):
            load(source, limits=limits)
    assert load(path, limits=Limits(max_bytes=len(WAV))).duration == 1


def test_an_endless_pipe_is_read_only_to_the_limit() -> None:
    place = WAV.index(b"data") + 4

    class Endless(Pipe):
        def readinto(self, buffer: Any) -> int:
            head = b"" if self.given else WAV[:place] + b"\xff" * 4  # of unknown length
            buffer[:] = (head + bytes(len(buffer)))[: len(buffer)]
            self.given += len(buffer)
            return len(buffer)

    for limits in (Limits(max_bytes=1_000_000), Limits(max_seconds=30)):
        pipe = Endless(b"")
        with pytest.raises(LimitError):
            for _ in stream(pipe, limits=limits):
                pass
        assert pipe.given < 1_200_000


@pytest.mark.parametrize("value", [0, -1, float("nan"), "1", True, None])
def test_limits_that_are_none(value: Any) -> None:
    with pytest.raises(OptionError, match="max_bytes is"):
        Limits(max_bytes=value)
    with pytest.raises(OptionError, match="max_seconds is"):
        Limits(max_seconds=value)
