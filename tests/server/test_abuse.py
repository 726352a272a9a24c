"""What a hostile client sends: refused in one sentence, and the service goes on."""

from __future__ import annotations

import io
import logging
import random
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx2
import numpy as np
import pytest

from emotrace.errors import EmotraceError
from emotrace.server.access import protocols
from emotrace.server.monitoring.redaction import Redacting
from emotrace.server.settings import Settings
from tests.audio.test_isolated import endless
from tests.audio.test_security import Canary
from tests.data import DATA, needs_data
from tests.server.processes import ServerProcess
from tests.server.served import TOKEN, live, post, speech, tone
from tests.server.test_live import HEAD, answer_of, opened

INSIDE = ("Traceback", "/tmp", "/proc", "site-packages", ".py", "/home", "/root", "0x7f")
"""What no answer tells."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service that decodes in processes of its own, as it does by default."""
    with live(decode_workers=2, workers=2, upload_seconds=30) as url:
        yield url


def checked(answer: Any) -> Any:
    """An answer that is none of the server's mistakes, and tells nothing of its inside."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(problem["detail"]) > 20
        assert not any(word in answer.text for word in INSIDE), answer.text
    return answer


@needs_data
def test_every_broken_file_is_refused_in_a_sentence(url: str) -> None:
    assert DATA is not None
    refused = 0
    with httpx2.Client(timeout=60) as client:
        for path in sorted((DATA / "formats").iterdir()):
            answer = checked(sent(client, url, path.read_bytes(), path.name))
            expected = outcome(path)
            if expected is not None:
                refused += 1
                assert answer.json()["code"] == expected
                assert repr(path.name) in answer.json()["detail"]
    assert refused >= 25
    assert post(url).status_code == 200


def outcome(path: Path) -> str | None:
    """What the library says of a file: the code of its error."""
    from emotrace.audio import load

    try:
        load(path)
    except EmotraceError as error:
        return error.code
    return None


def sent(client: Any, url: str, content: bytes, name: str = "a.wav", path: str = "/v1/recognitions") -> Any:
    fields = {"checks": "false"} if path == "/v1/recognitions" else {}
    return client.post(url + path, files={"audio": (name, content)}, data=fields)


def seeds() -> list[bytes]:
    """Files of many kinds to be broken."""
    made = [tone(), speech(1.0)]
    if DATA is not None:
        files = sorted((DATA / "formats").iterdir())
        made += [each for path in files if len(each := path.read_bytes()) < 200_000]
    return made


def broken(content: bytes, chance: random.Random) -> bytes:
    """A file with a few wrong bytes, a hole, a doubled part, or its end cut off."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        if not data:
            break
        at = chance.randrange(min(len(data), chance.choice((64, 4096, 1 << 30))))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 2:
            del data[at : at + chance.randrange(1, 2000)]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randrange(1, 2000)]
        else:
            del data[at + 1 :]
    return bytes(data)


def fuzz(url: str, count: int, seed: int) -> dict[int, int]:
    """Statuses of broken uploads, four at a time."""
    originals = seeds()

    def one(number: int) -> int:
        chance = random.Random(seed * 1_000_003 + number)
        name = chance.choice(("a.wav", "a.mp3", "a.flac", "a", "a.m3u8", "a.mp4", "a.ogg"))
        path = chance.choice(("/v1/recognitions", "/v1/embeddings", "/api/predict/"))
        content = broken(chance.choice(originals), chance)
        with httpx2.Client(timeout=60) as client:
            files = {"audio": (name, content)}
            return int(checked(client.post(url + path, files=files)).status_code)

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(one, range(count)))
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def test_broken_uploads_give_no_error_of_the_server(url: str) -> None:
    counts = fuzz(url, 60, seed=1)
    assert set(counts) <= {200, 413, 422}
    assert post(url).status_code == 200


@pytest.mark.slow
def test_two_thousand_broken_uploads(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, None, "--queue", "64", "--model", "compact") as server:
        counts = fuzz(server.url, 2000, seed=2)
        assert set(counts) <= {200, 413, 422}
        assert counts[422] > 200
        assert post(server.url, content=speech()).status_code == 200
        assert "Traceback" not in server.log


LISTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n',
    "list.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "list.txt": "file {target}\n",
    "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
    "radio.pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    "radio.asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "film.mpd": '<?xml version="1.0"?><MPD type="static"><Period><BaseURL>{target}</BaseURL></Period></MPD>',
    "address.txt": "{target}",
}


@pytest.mark.parametrize("path", ["/v1/recognitions", "/v1/embeddings", "/api/predict/"])
def test_lists_that_name_files_or_addresses_are_refused_and_nothing_is_touched(
    path: str, url: str, tmp_path: Path
) -> None:
    canary = Canary(tmp_path)
    targets = (str(canary.path), f"file://{canary.path}", canary.url, canary.url.replace("http", "hls+http"))
    with httpx2.Client(timeout=60) as client:
        for name, text in LISTS.items():
            for target in targets:
                content = text.format(target=target, port=urlsplit(canary.url).port).encode()
                for named in (name, "talk.mp3"):
                    answer = checked(sent(client, url, content, named, path))
                    assert (answer.status_code, answer.json()["code"]) == (422, "audio")
                    assert "127.0.0.1" not in answer.text
        for target in targets:  # and no name of a file, nor a field, is one that is opened
            answer = checked(sent(client, url, tone(), target, path))
            assert answer.status_code == 200
            fields = {"audio": target}
            assert checked(client.post(url + path, data=fields)).status_code in (400, 415)
    assert not canary.touched()
    canary.close()


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/../../etc/passwd",
        "/v1/models/..%2f..%2fetc%2fpasswd/load",
        "/v1/models/%00/load",
        "/v1/recognitions/..%2f..%2fetc%2fpasswd",
        "/v1/recognitions/..%5c..%5cetc/audio",
        "/v1/jobs/..%2f..%2fetc%2fpasswd",
        "/ui/static/..%2f..%2f__init__.py",
        "/ui/en/gradio_api/file=/etc/passwd",
        "/gradio_api/file=/etc/passwd",
        "/file=/etc/passwd",
        "/static//etc/passwd",
        "//etc/passwd",
    ],
)
def test_no_path_leads_out(path: str, url: str) -> None:
    parts = urlsplit(url)
    for method in ("GET", "POST", "DELETE"):
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            lines = [
                f"{method} {path} HTTP/1.1",
                f"Host: {parts.netloc}",
                "Connection: close",
                "Content-Length: 0",
            ]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            status, problem = answer_of(connection)
        assert 400 <= status < 500
        assert not any(word in str(problem) for word in ("root:", "Traceback", "site-packages"))


KINDS = ("", "text/plain", "application/json", "application/x-www-form-urlencoded", "image/png", "a/b;\x0bx")


@pytest.mark.parametrize("path", ["/v1/recognitions", "/v1/embeddings", "/api/predict/"])
def test_wrong_content_types_are_refused(path: str, url: str) -> None:
    for kind in (*KINDS, "multipart/mixed; boundary=x", "multipart/form-data", "x" * 5000):
        headers = {"Content-Type": kind.replace("\x0b", " ")}
        answer = checked(httpx2.post(url + path, content=b"--x\r\n\r\n--x--", headers=headers))
        assert answer.status_code in (400, 415)


def silence(hours: float) -> bytes:
    """Hours of silence in kilobytes."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=1000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 100_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 1000
        for number in range(round(hours * 36)):
            frame.pts = number * 100_000
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def test_hours_of_silence_in_kilobytes_end_at_the_limit() -> None:
    content = silence(2)
    assert len(content) < 600_000
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with live(decode_workers=2, max_seconds=600) as url:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: post(url, content=content), range(4)))
        for answer in answers:
            assert (checked(answer).status_code, answer.json()["code"]) == (413, "limit")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin < 200 * 1024  # KiB
        assert post(url).status_code == 200


def test_heads_that_do_not_end_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "HEADER_SECONDS", 0.4)
    with live() as url:
        parts = urlsplit(url)

        def connected() -> socket.socket:
            return socket.create_connection((parts.hostname, parts.port), timeout=30)

        with connected() as silent, connected() as slow, connected() as kept:
            slow.sendall(b"GET /v1/health HT")
            kept.sendall(f"GET /v1/health HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            assert answer_of(kept)[0] == 200
            kept.sendall(b"GET /v1/hea")
            for connection in (silent, slow, kept):
                assert connection.recv(1) == b""
        with opened(url, "Content-Length: 100000") as uploading:  # bodies have a time of their own
            uploading.sendall(HEAD)
            time.sleep(0.6)
            uploading.sendall(b"x")
        assert post(url).status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["X: " + "x" * 100_000],
        [f"X-{i}: {'y' * 60}" for i in range(1000)],
        ["Cookie: " + "; ".join(f"a{i}=b" for i in range(2000))],
        ["Authorization: Bearer " + "x" * 30_000],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: -1"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
        ["Bad Header"],
        ["Expect: 200-maybe", "Content-Length: 0"],
        ["Accept-Language: " + ",".join(["zh;q=0.1"] * 500), "Content-Length: 0"],
    ],
)
def test_odd_heads_do_no_harm(lines: list[str], url: str) -> None:
    with opened(url, *lines) as connection:
        connection.sendall(b"0\r\n\r\n")
        status = int(connection.recv(65536).split()[1])
    assert 400 <= status < 500
    assert post(url).status_code == 200


@pytest.mark.slow
def test_a_gigabyte_is_refused_on_its_way_or_kept_out_of_memory(tmp_path: Path) -> None:
    """Cut off at the limit while it comes; and where that much may come, it takes disk and not memory."""
    chunk = bytes(1 << 20)
    with ServerProcess(tmp_path / "a", None, "--model", "compact") as server:
        post(server.url, content=speech())
        before = memory(server.process.pid)
        with opened(server.url, "Transfer-Encoding: chunked") as connection:
            passed = pushed(connection, chunk)
            status, problem = answer_of(connection)
        assert (status, problem["code"]) == (413, "limit")
        assert passed < 130e6  # and what was read while the client read the answer
        assert memory(server.process.pid) - before < 30e6
    flags = ("--model", "compact", "--max-bytes", str(2 * 1024**3))
    with ServerProcess(tmp_path / "b", None, *flags) as server:
        post(server.url, content=speech())
        before = memory(server.process.pid)
        with endless(tmp_path / "hours.wav", 1).open("rb") as file:
            answer = httpx2.post(f"{server.url}/v1/recognitions", files={"audio": file}, timeout=300)
        assert (checked(answer).status_code, answer.json()["code"]) == (413, "limit")
        assert memory(server.process.pid) - before < 100e6


def pushed(connection: socket.socket, chunk: bytes) -> int:
    """Bytes of a gigabyte that could be sent."""
    head = f"{len(HEAD):x}\r\n".encode() + HEAD + b"\r\n"
    framed = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
    passed = 0
    connection.sendall(head)
    connection.settimeout(2)
    try:
        for _ in range(1024):
            connection.sendall(framed)
            passed += len(chunk)
    except OSError:
        pass
    connection.settimeout(30)
    return passed


def memory(process: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_refused_websocket_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with live(token=TOKEN) as url:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        for key in ("dGhlIHNhbXBsZSBub25jZQ==", "odd"):
            answer = httpx2.get(f"{url}/v1/stream", headers={**headers, "Sec-WebSocket-Key": key})
            assert 400 <= answer.status_code < 500
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_secrets_reach_no_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Not the planted ones, in no line of any logger, however they came."""
    caplog.set_level(logging.DEBUG)
    key = "emo_0123456789ab_" + "S3cretS3cret" * 3
    with live(token=TOKEN, session_secret="a-session-secret-that-signs") as url:
        for given in (TOKEN, key):
            on = {"Authorization": f"Bearer {given}"}
            httpx2.get(f"{url}/v1/models", headers=on)
            httpx2.get(f"{url}/v1/models/{given}", headers={**on, "Cookie": f"emotrace={given}"})
            httpx2.post(f"{url}/v1/models/{given}/load", headers=on)
            httpx2.get(f"{url}/nothing?key={given}", headers={"X-Request-ID": given, **on})
            answer = httpx2.post(f"{url}/sign-in", data={"key": given}, follow_redirects=False)
            files = {"audio": (f"{given}.wav", b"x")}
            httpx2.post(f"{url}/v1/recognitions", files=files, data={"preset": given}, headers=on)
            assert given not in answer.headers.get("set-cookie", "")
    lines = Redacting(logging.Formatter(), [TOKEN])
    said = "\n".join(map(lines.format, caplog.records)) + "".join(capfd.readouterr())
    assert "wrong key" in said
    for secret in (TOKEN, "S3cret", "a-session-secret"):
        assert secret not in said


def test_a_secret_in_an_error_is_hidden_in_its_traceback() -> None:
    lines = Redacting(logging.Formatter(), [TOKEN])
    try:
        raise ValueError(f"postgresql://emotrace:pass-word@db/x with {TOKEN}")
    except ValueError:
        import sys

        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", None, sys.exc_info())
    said = lines.format(record)
    assert "Traceback" in said
    assert TOKEN not in said
    assert "pass-word" not in said


def test_settings_hide_their_secrets() -> None:
    settings = Settings.of(token=TOKEN, session_secret="a-session-secret-that-signs")
    assert TOKEN not in repr(settings)
    assert "that-signs" not in repr(settings)
