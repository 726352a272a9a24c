"""No input makes anything else be opened: no playlist, no reference, no protocol.

What must never be touched is a canary: a port that somebody listens on, and a recording on disk. Where it
can be done, the same input is first given to a bare FFmpeg, which does reach for the canary.
"""

from __future__ import annotations

import ctypes
import io
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from emotrace.audio import load
from emotrace.audio.allowed import CODECS, FORMATS, OPTIONS
from emotrace.errors import AudioError
from tests.audio.tones import encode, tone

IN_OPEN = 0x20
"""Of inotify: a watched file was opened."""


class Canary:
    """A port and a file that nobody may touch."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "canary.wav"
        self.path.write_bytes(encode(tone(), 16000))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}/canary.wav"
        self._calls = 0
        self._answering = threading.Thread(target=self._answer, daemon=True)
        self._answering.start()
        self._watch = -1
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            self._watch = libc.inotify_init1(os.O_NONBLOCK)
            assert libc.inotify_add_watch(self._watch, os.fsencode(self.path), IN_OPEN) > 0

    def _answer(self) -> None:
        while (connection := self.server.accept()[0]) and not connection.recv(4).startswith(b"bye"):
            self._calls += 1
            connection.close()
        connection.close()

    def touched(self) -> bool:
        """Whether somebody connected or opened the file, up to now."""
        with socket.create_connection(self.server.getsockname()) as probe:
            probe.sendall(b"ask")
            probe.recv(1)  # answered after all who came before
        self._calls -= 1
        try:
            opened = self._watch >= 0 and bool(os.read(self._watch, 4096))
        except BlockingIOError:
            opened = False
        return opened or self._calls > 0

    def close(self) -> None:
        """Stop listening."""
        with socket.create_connection(self.server.getsockname()) as probe:
            probe.sendall(b"bye")
            self._answering.join()
        self.server.close()
        if self._watch >= 0:
            os.close(self._watch)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    """A fresh canary."""
    made = Canary(tmp_path)
    yield made
    made.close()


def playlists(named: str) -> dict[str, str]:
    """Every kind of list that names another input."""
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT1S"><Period>'
        '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>'
        f"{named}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    return {
        "a.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{named}\n#EXT-X-ENDLIST\n",
        "a.m3u": f"#EXTM3U\n{named}\n",
        "b.m3u": f"{named}\n",
        "a.pls": f"[playlist]\nFile1={named}\nNumberOfEntries=1\n",
        "a.ffconcat": f"ffconcat version 1.0\nfile '{named}'\n",
        "a.txt": f"file '{named}'\n",
        "a.sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 5004 RTP/AVP 0\r\n",
        "a.mpd": dash,
        "a.asx": f'<ASX version="3.0"><ENTRY><REF HREF="{named}"/></ENTRY></ASX>',
        "a.wav": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{named}\n#EXT-X-ENDLIST\n",
    }


@pytest.mark.parametrize("name", list(playlists("")))
def test_lists_are_refused_and_not_followed(name: str, canary: Canary, tmp_path: Path) -> None:
    for named in (canary.url, str(canary.path), canary.path.as_uri()):
        text = playlists(named)[name].encode()
        path = tmp_path / name
        for content in (text, text + b"\0"):  # text is refused on sight, with a zero it is not quite text
            path.write_bytes(content)
            for source in (path, content, io.BytesIO(content)):
                with pytest.raises(AudioError) as caught:
                    load(source)
                assert str(caught.value).isprintable()
    assert not canary.touched()


@pytest.mark.parametrize("guard", ["none", "format_whitelist", "protocol_whitelist", "io_open"])
def test_each_guard_alone_keeps_a_playlist_from_being_followed(guard: str, canary: Canary) -> None:
    file = io.BytesIO(playlists(canary.url)["a.m3u8"].encode())
    file.name = "a.m3u8"
    options = {guard: OPTIONS[guard]} if guard in OPTIONS else {}
    asked: list[str] = []

    def refuse(url: str, *_: Any) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO()

    with pytest.raises(av.error.FFmpegError):
        av.open(file, "r", container_options=options, io_open=refuse if guard == "io_open" else None)
    assert canary.touched() == (guard == "none")
    assert asked == ([canary.url] if guard == "io_open" else [])


@pytest.mark.skipif(sys.platform != "linux", reason="no inotify")
def test_the_canary_notices_a_file_that_is_opened(canary: Canary) -> None:
    file = io.BytesIO(playlists(str(canary.path))["a.ffconcat"].encode())
    av.open(file, "r", container_options={"safe": "0"}).close()
    assert canary.touched()


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of an MP4: kind and what is in them."""
    while content:
        (size,) = struct.unpack(">I", content[:4])
        yield content[4:8], content[8:size]
        content = content[size:]


def with_reference(content: bytes, target: Path) -> bytes:
    """The MP4 with its sound declared to lie in another file."""

    def text(kind: int, value: str) -> bytes:
        code = value.encode()
        return struct.pack(">HH", kind, len(code)) + code + b"\0" * (len(code) % 2)

    alias = struct.pack(">IHHIH", 0, 150, 2, 0, 0) + bytes(136)
    alias += text(2, str(target).lstrip("/")) + text(18, str(target)) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    made = b""
    for kind, inside in boxes(content):
        if kind == b"dref":
            inside = struct.pack(">II", 0, 1) + entry
        elif kind in {b"moov", b"trak", b"mdia", b"minf", b"dinf"}:
            inside = with_reference(inside, target)
        made += struct.pack(">I4s", 8 + len(inside), kind) + inside
    return made


def test_references_out_of_an_mp4_are_not_followed(canary: Canary) -> None:
    content = with_reference(encode(tone(), 16000, "mov", "pcm_s16le"), canary.path)
    asked: list[str] = []

    def note(url: str, *_: Any) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO()

    loose = {"enable_drefs": "1", "use_absolute_path": "1"}
    av.open(io.BytesIO(content), "r", container_options=loose, io_open=note).close()
    assert any("canary.wav" in url for url in asked)  # so the file does ask for it

    try:
        load(content)
    except AudioError as problem:
        assert str(problem).isprintable()
    assert not canary.touched()


@pytest.mark.parametrize(
    "address",
    [
        "{url}",
        "HTTP{url}",
        "rtsp://127.0.0.1/x",
        "file:{path}",
        "concat:{path}|{path}",
        "crypto:{path}",
        "async:{path}",
        "data:audio/wav;base64,UklGRg==",
        "data:audio/wav;base64," + "A" * 9000,
        "pipe:0",
        "fd:0",
        "tcp://127.0.0.1:1",
    ],
)
def test_addresses_are_not_opened(address: str, canary: Canary) -> None:
    for source in (
        address.format(url=canary.url, path=canary.path),
        Path(address.format(url="http:/x", path="x")),
    ):
        with pytest.raises(AudioError, match="is a URL; URLs are not opened: download the file"):
            load(source)
    assert not canary.touched()


@pytest.mark.parametrize(
    "pattern", ["%03d.png", "sine=frequency=440", "subfile,,start,0,end,9,,:{path}", "-", "0"]
)
def test_patterns_filters_and_devices_are_only_names(pattern: str, canary: Canary) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        load(pattern.format(path=canary.path))
    assert not canary.touched()


def test_a_file_may_be_called_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("http:x.wav").write_bytes(encode(tone(), 16000))
    assert load("http:x.wav").duration == 0.5


def test_a_picture_is_not_decoded() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as file:
        stream: Any = file.add_stream("png", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        file.mux(stream.encode(av.VideoFrame(16, 16, "rgb24")))
        file.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"is a picture \(PNG\)"):
        load(out.getvalue())


def test_the_lists_name_only_what_there_is() -> None:
    known = {part for name in av.formats_available for part in name.split(",")}
    assert set(FORMATS) <= known
    assert {name for name in CODECS if not name.startswith("lib")} <= av.codecs_available
    assert len(set(FORMATS)) == len(FORMATS)
    assert len(set(CODECS)) == len(CODECS)
    assert all(av.codec.Codec(name, "r").type == "audio" for name in {*CODECS} & av.codecs_available)


def test_the_lists_name_nothing_that_opens_other_inputs() -> None:
    openers = {
        *(
            "hls",
            "dash",
            "concat",
            "sdp",
            "rtsp",
            "rtp",
            "sap",
            "image2",
            "image2pipe",
            "lavfi",
            "imf",
            "vapoursynth",
        ),
        *("webm_dash_manifest", "alsa", "oss", "fbdev", "x11grab", "v4l2", "kmsgrab", "ffmetadata", "vobsub"),
    }
    assert not openers & set(FORMATS)
