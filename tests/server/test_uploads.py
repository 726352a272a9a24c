from __future__ import annotations

import gc
import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.served import client_of, tone


def multipart(*parts: tuple[str, bytes], boundary: bytes = b"edge") -> bytes:
    """A body; each part is its Content-Disposition and its content."""
    out = b""
    for disposition, content in parts:
        head = f"Content-Disposition: form-data; {disposition}".encode()
        out += b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n"
    return out + b"--" + boundary + b"--\r\n"


def ask(content: bytes, kind: str = "multipart/form-data; boundary=edge", **options: Any) -> Any:
    with client_of(**options) as client:
        return client.post("/v1/recognitions", content=content, headers={"Content-Type": kind})


@pytest.mark.parametrize("path", ["/v1/recognitions", "/v1/embeddings", "/v1/jobs"])
@pytest.mark.parametrize("left", [20, 300, 4000, -1])
def test_a_body_without_its_end_is_told_as_such(path: str, left: int) -> None:
    content = multipart(('name="audio"; filename="talk.wav"', tone()))[:left]
    with client_of() as client:
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        answer = client.post(path, content=content[: -4 if left == -1 else None], headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "multipart")
    assert answer.json()["detail"] == "the form cannot be read: it has no end."


FILE = ('name="audio"; filename="talk.wav"', tone())
QUICK = ('name="checks"', b"false")


@pytest.mark.parametrize(
    ("parts", "code", "said"),
    [
        ([QUICK], "multipart", "no file in the form"),
        ([('name="audio"', tone()[:2000]), QUICK], "multipart", "no file in the form"),
        ([FILE, FILE], "multipart", "2 files are called 'audio'"),
        ([FILE, ('name="other"; filename="a.wav"', b"x")], "multipart", "called 'other'"),
        ([FILE, ('name="model"; filename="a.wav"', b"x")], "multipart", "called 'model'"),
        ([FILE, QUICK, QUICK], "option", "'checks' came twice"),
        ([FILE, ('name="hop"', b"x" * 20_000)], "multipart", "maximum size"),
        ([FILE, *[(f'name="x{i}"', b"") for i in range(40)]], "multipart", "Too many fields"),
        ([FILE, *[('name="reference"; filename="a"', b"x")] * 12], "multipart", "Too many files"),
        ([('filename="talk.wav"', b"x")], "multipart", "name"),
        ([('name="audio"; filename="empty.wav"', b"")], "audio", "'empty.wav' is empty"),
        ([FILE, ('name="max_bytes"', b"1")], "option", "no option 'max_bytes'"),
        ([FILE, ('name="device"', b"cuda")], "option", "no option 'device'"),
        ([FILE, ('name="presets"', b"/etc/passwd")], "option", "no option 'presets'"),
        ([FILE, ('name="max_seconds"', b"1e9")], "option", "at most 3600"),
        ([FILE, ('name="whole_seconds"', b"nan")], "option", "whole_seconds is 'nan'"),
        ([FILE, ('name="model"', b"/etc")], "model-not-found", "'/etc' is not installed"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(
    parts: list[tuple[str, bytes]], code: str, said: str
) -> None:
    answer = ask(multipart(*parts))
    body = answer.json()
    assert (body["code"], body["status"]) == (code, answer.status_code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in body["detail"]
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("", 415),
        ("audio/wav", 415),
        ("application/json", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 5000, 400),
        ("multipart/form-data; boundary=other", 400),
        ("multipart/form-data; boundary=edge; charset=undefined", 400),
        ("multipart/form-data; boundary=edge; charset=base64", 200),
        ("multipart/form-data; boundary=edge; charset=no-such", 200),
    ],
)
def test_odd_content_types(kind: str, status: int) -> None:
    answer = ask(multipart(FILE, QUICK), kind)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.wav", "passwd.wav"),
        ("C:\\\\talks\\\\monday.wav", "monday.wav"),
        ("声音.wav", "声音.wav"),
        ("", "upload"),
        ("/", "upload"),
        ("http://127.0.0.1:1/a.wav", "a.wav"),
        ("two\tparts.wav", "two�parts.wav"),
    ],
)
def test_the_name_of_a_file_is_only_shown(name: str, shown: str) -> None:
    answer = ask(multipart((f'name="audio"; filename="{name}"', tone()), QUICK))
    assert (answer.status_code, answer.json()["source"]) == (200, shown)


def test_a_name_that_is_no_text_does_no_harm() -> None:
    body = multipart(FILE, QUICK).replace(b"talk.wav", b"+2AA-.wav")
    answer = ask(body, "multipart/form-data; boundary=edge; charset=utf-7")
    assert answer.status_code == 200
    assert answer.json()["source"].endswith(".wav")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 1234 RTP/AVP 0\na={path}\n",
    ],
)
def test_lists_that_name_other_files_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(tone())
    answer = ask(multipart(('name="audio"; filename="list.m3u8"', content.format(path=path).encode()), QUICK))
    assert (answer.status_code, answer.json()["code"]) == (422, "audio")


def test_hours_of_silence_in_a_small_file_end_at_the_limit() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=8000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        second = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        second.sample_rate = 8000
        for i in range(600):
            second.pts = i * 8000
            out.mux(stream.encode(second))
        out.mux(stream.encode(None))
    content = file.getvalue()
    assert len(content) < 120_000
    answer = ask(multipart(('name="audio"; filename="silence.flac"', content), QUICK), max_seconds=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "limit")


PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"--edge\r\n",
            b"--edge--\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b'Content-Disposition: form-data; name="audio"; filename="a.wav"\r\n',
            b'Content-Disposition: form-data; name="granularity"\r\n',
            b"Content-Type: text/plain; charset=utf-7\r\n",
            tone()[:300],
            multipart(FILE, QUICK),
        ]
    ),
)
KINDS = st.one_of(
    st.just("multipart/form-data; boundary=edge"),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(
        lambda text: f"multipart/form-data; boundary=edge; charset={text}"
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)


def test_no_body_gives_an_error_of_the_server() -> None:
    with client_of() as client:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            st.lists(PIECES, max_size=8),
            KINDS,
            st.sampled_from(["/v1/recognitions", "/v1/embeddings", "/api/predict/"]),
        )
        def send(pieces: list[bytes], kind: str, path: str) -> None:
            answer = client.post(path, content=b"".join(pieces), headers={"Content-Type": kind})
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"

        send()


NAMES = st.sampled_from(
    ["granularity", "hop", "smooth", "window", "alpha", "dwell", "lag", "model", "channel", "preset", "x"]
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(["frame", "segment", "hmm", "vote", "median", "ewma", "9" * 5000, "0.1", "5", "auto"]),
)


def test_no_option_gives_an_error_of_the_server() -> None:
    with client_of() as client:

        @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.dictionaries(NAMES, VALUES, max_size=4))
        def send(fields: dict[str, str]) -> None:
            files = {"audio": ("a.wav", tone(seconds=0.2))}
            answer = client.post("/v1/recognitions", files=files, data={"checks": "false", **fields})
            assert answer.status_code < 500, answer.text

        send()


def test_the_files_of_a_refused_form_are_closed() -> None:
    answer = ask(multipart(('name="hop"', b"1"), ('name="hop"', b"2"), FILE))
    gc.collect()  # what is open would warn now, which is an error here
    assert (answer.status_code, answer.json()["code"]) == (422, "option")
