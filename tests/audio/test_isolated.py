from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.audio import Limits, decoder_of, load, name_of
from emotrace.audio import isolated as module
from emotrace.audio.decode import Decoder
from emotrace.audio.isolated import Decoders
from emotrace.audio.isolated_child import STOP, serve
from emotrace.audio.sources import Blocks
from emotrace.errors import AudioError, EmotraceError, LimitError, NoAudioError
from tests.data import DATA

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs descriptors that can be sent")


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    decoders = Decoders(2)
    yield decoders
    decoders.close()


def wav(samples: Any, rate: int = 16000, channels: int = 1) -> io.BytesIO:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(np.asarray(samples, "<i2").tobytes())
    file.seek(0)
    return file


def noise(seconds: float, rate: int = 16000, channels: int = 1) -> io.BytesIO:
    shape = (round(seconds * rate), channels)
    return wav(np.random.default_rng(0).integers(-32768, 32767, shape), rate, channels)


def endless(path: Path, gigabytes: int) -> Path:
    """A WAV file of hours of silence, which takes no room on disk."""
    size = gigabytes * 1024**3
    head = wav([]).getvalue()
    with path.open("wb") as file:
        file.write(head[:4] + size.to_bytes(4, "little") + head[8:40] + (size - 36).to_bytes(4, "little"))
        file.truncate(size)
    return path


def outcome(opened: Callable[[], Blocks]) -> Any:
    """All that a decoder says."""
    try:
        with opened() as blocks:
            heard = [block.tobytes() for block in blocks]
            return blocks.description, blocks.warning, blocks.clipping_share, heard
    except EmotraceError as error:
        return type(error), str(error)


def same(decoders: Decoders, file: Any, name: str, **options: Any) -> Any:
    """What both say, which is the same."""
    file.seek(0)
    here = outcome(lambda: Decoder(Named(file, name), **options))
    there = outcome(lambda: decoders.open(file, name, **options))
    assert here == there
    return there


class Named(io.RawIOBase):
    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name

    def readinto(self, buffer: Any, /) -> int:
        return int(self.file.readinto(buffer))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self.file.seek(offset, whence))


@pytest.mark.skipif(DATA is None, reason="no data folder")
def test_every_file_is_decoded_to_the_same_bits_or_refused_with_the_same_words(decoders: Decoders) -> None:
    assert DATA is not None
    for path in sorted((DATA / "formats").iterdir()):
        with path.open("rb") as file:
            same(decoders, file, path.name)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"channel": 1}, None),
        ({"channel": 2}, AudioError),
        ({"block_seconds": 0.25}, None),
        ({"limits": Limits(max_seconds=1)}, LimitError),
        ({"limits": Limits(max_bytes=1000)}, LimitError),
    ],
)
def test_options_and_limits_are_the_same(decoders: Decoders, options: Any, kind: Any) -> None:
    found = same(decoders, noise(2.3, 44100, 2), "ωave 声.wav", **options)
    assert found[0] is kind or kind is None


def test_a_file_without_a_sample_is_refused_by_its_name(decoders: Decoders) -> None:
    assert same(decoders, wav([]), "no\nsound.wav")[0] is NoAudioError


class Elsewhere:
    """A source that brings its own decoder."""

    name = "talk.wav"

    def __init__(self, decoders: Decoders, file: Any) -> None:
        self._decoders, self._file = decoders, file

    def decoder(self, *, channel: int | None, limits: Limits, block_seconds: float) -> Blocks:
        return self._decoders.open(
            self._file, self.name, channel=channel, limits=limits, block_seconds=block_seconds
        )


def test_a_source_with_its_own_decoder_is_a_source(decoders: Decoders) -> None:
    source, file = Elsewhere(decoders, noise(2.5)), noise(2.5)
    assert name_of(source) == "talk.wav"
    assert np.array_equal(load(source).samples, load(file).samples)
    with decoder_of(source) as blocks:
        assert blocks.description.duration == 2.5


def test_who_else_reads_the_file_is_not_disturbed(decoders: Decoders, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(noise(1.0).getvalue())
    with path.open("rb") as file:
        file.seek(100)
        with decoders.open(file, "a.wav") as blocks:
            assert [len(block) for block in blocks] == [16000]
        assert file.tell() == 100


def test_a_rest_that_is_not_wanted_ends_and_the_process_stays(tmp_path: Path) -> None:
    decoders = Decoders(1)
    with endless(tmp_path / "hours.wav", 2).open("rb") as file:
        for _ in range(3):
            blocks = decoders.open(file, "hours.wav")
            assert len(next(iter(blocks))) == 16000
            blocks.close()
            blocks.close()
            with pytest.raises(AudioError, match="was closed"):
                next(iter(blocks))
    assert len({process.number for process in decoders._idle}) == 1
    assert decoders._idle[0].files == 3
    number = decoders._idle[0].number
    decoders.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_processes_are_started_before_they_are_needed(tmp_path: Path) -> None:
    decoders = Decoders(2)
    decoders.warm()
    numbers = {process.number for process in decoders._idle}
    assert len(numbers) == 2
    same(decoders, noise(0.5), "a.wav")
    assert {process.number for process in decoders._idle} == numbers
    decoders.close()
    decoders.warm()
    assert not decoders._idle


def test_more_files_than_processes_are_kept(tmp_path: Path) -> None:
    decoders = Decoders(1)
    path = tmp_path / "a.wav"
    path.write_bytes(noise(20).getvalue())
    expected = load(path).samples

    def decode(_: int) -> bool:
        with path.open("rb") as file, decoders.open(file, "a.wav") as blocks:
            return np.array_equal(np.concatenate(list(blocks)), expected)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(decode, range(12)))
    assert len(decoders._idle) == 1
    decoders.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_decoder_that_dies_costs_one_file(
    number: signal.Signals, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decoders = Decoders(1)
    with endless(tmp_path / "hours.wav", 2).open("rb") as file:
        blocks = decoders.open(file, "hours.wav")
        with pytest.raises(AudioError, match=r"'hours.wav' cannot be decoded: it brought the decoder down"):
            for _ in blocks:
                os.kill(blocks._process.number, number)
    assert "is replaced" in caplog.text
    assert same(decoders, noise(1.0), "next.wav")[3]
    os.kill(decoders._idle[0].number, number)  # while nobody uses it
    os.waitid(os.P_PID, decoders._idle[0].number, os.WEXITED | os.WNOWAIT)
    assert same(decoders, noise(1.0), "next.wav")[3]
    decoders.close()


def test_a_decoder_that_stands_still_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_SECONDS", 0.3)
    decoders = Decoders(1)
    with endless(tmp_path / "hours.wav", 2).open("rb") as file:
        for taken in range(8):  # some of these stop in the middle of a message
            blocks = decoders.open(file, "hours.wav")
            heard = iter(blocks)
            for _ in range(taken):
                next(heard)
            os.kill(blocks._process.number, signal.SIGSTOP)
            with pytest.raises(AudioError, match="brought the decoder down"):
                list(heard)
    decoders.close()


def test_computing_time_is_limited_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE", 0.0)
    decoders = Decoders(1, cpu_seconds=0.5)
    with (
        endless(tmp_path / "hours.wav", 3).open("rb") as file,
        pytest.raises(LimitError, match=r"'hours.wav' needs more than 0.5 s of computing"),
    ):
        for _ in decoders.open(file, "hours.wav", limits=Limits(max_seconds=1e9)):
            pass
    for _ in range(3):
        assert same(decoders, noise(1.0), "next.wav")[3]
    decoders.close()


def test_memory_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    decoders = Decoders(1, memory_bytes=2**22)
    source = noise(60.0, 48000, 8)
    with pytest.raises(AudioError, match="more memory"), decoders.open(source, "wide.wav") as blocks:
        list(blocks)
    decoders.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_has_no_secrets_and_few_rights(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EMOTRACE_TOKEN", "correct-horse-battery")
    caplog.set_level(logging.INFO)
    decoders = Decoders(1)
    same(decoders, noise(0.5), "a.wav")
    here, there = Path("/proc/self"), Path(f"/proc/{decoders._idle[0].number}")
    limits = dict(line.split("  ", 1) for line in (there / "limits").read_text().splitlines()[1:])
    assert limits["Max file size"].split()[:2] == ["0", "0"]
    assert limits["Max open files"].split()[:2] == ["32", "32"]
    assert limits["Max address space"].split()[0] != "unlimited"
    assert "NoNewPrivs:\t1" in (there / "status").read_text()
    assert b"horse" not in (there / "environ").read_bytes()
    alone = (here / "ns/net").readlink() != (there / "ns/net").readlink()
    assert alone == ("without network" in caplog.text)
    decoders.close()


def test_a_process_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EmotraceError, match="no decoding process can be started: it ended with 1"):
        Decoders(1).open(noise(0.5), "a.wav")


class Forger:
    """A child that was taken over, and says what it likes."""

    number, files = 1, 1

    def __init__(self, *messages: bytes) -> None:
        self.messages = list(messages)

    def receive(self, seconds: float) -> bytes:
        return self.messages.pop(0)

    def stop(self) -> None:
        pass

    def kill(self) -> int:
        return -9

    end = kill


DESCRIPTION = b"d" + json.dumps(asdict(Decoder(([0.0] * 9, 16000)).description)).encode()


@pytest.mark.parametrize(
    "messages",
    [
        (b"",),
        (b"d[]",),
        (b"d{}",),
        (b"s1234",),
        (b"x{}",),
        (DESCRIPTION, b"s123"),
        (DESCRIPTION, b"e{}"),
        (DESCRIPTION, b"e\xff"),
        (DESCRIPTION, *[b"s" + bytes(64000)] * 4),
        (DESCRIPTION, b"z"),
    ],
)
def test_what_the_process_says_is_not_trusted(messages: tuple[bytes, ...]) -> None:
    with pytest.raises(AudioError):
        list(module.IsolatedDecoder(Decoders(0), Forger(*messages), "a.wav", Limits(max_seconds=2), 1.0))  # type: ignore[arg-type]


def test_the_child_serves_until_it_is_hung_up(tmp_path: Path) -> None:
    """As above, in this process."""
    path = tmp_path / "a.wav"
    path.write_bytes(noise(2.5).getvalue())
    ours, theirs = (Connection(end.detach()) for end in socket.socketpair())
    counted: list[float] = []
    thread = threading.Thread(target=serve, args=(theirs, counted.append))
    thread.start()
    order = {"name": "a.wav", "channel": None, "max_bytes": 10**6, "max_seconds": 9.0, "block_seconds": 1.0}
    order["cpu_seconds"] = 7.0

    def answers(**changed: Any) -> list[bytes]:
        ours.send_bytes(json.dumps({**order, **changed}).encode())
        with path.open("rb") as file:
            send_handle(ours, file.fileno(), os.getpid())
        said = [ours.recv_bytes()]
        while said[-1][:1] not in (b"e", b"x"):
            said.append(ours.recv_bytes())
        return said

    assert [each[:1] for each in answers()] == [b"d", b"s", b"s", b"s", b"e"]
    ours.send_bytes(STOP)
    assert json.loads(answers(channel=3)[-1][1:])["code"] == "audio"
    assert json.loads(answers(max_seconds=1.0)[-1][1:])["code"] == "limit"
    ours.close()
    thread.join(10)
    assert not thread.is_alive()
    theirs.close()
    assert counted == [7.0] * 3
