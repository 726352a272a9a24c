"""``WS /v1/stream`` over a real socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from emotrace.audio import load
from emotrace.recognition import Recognizer
from emotrace.server.access import authentication
from emotrace.server.live import line, places
from emotrace.server.live.form import StreamForm
from emotrace.store import Store
from tests.data import DATA, needs_data
from tests.recognition.fakes import heard_by_level
from tests.server.served import ON, TOKEN, Gated, live, wait_for, wav
from tests.voices import steady

FRAME = 1600

TALK: NDArray[np.int16] = (
    np.concatenate(
        [steady(1.6, 0.375), np.zeros(16000, np.float32), steady(1.2, 0.25), np.zeros(8000, np.float32)]
    )
    * 32767
).astype("<i2")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with heard_by_level(), live() as url:
        yield url


@contextmanager
def opened(url: str, **options: Any) -> Iterator[ClientConnection]:
    """A stream that has not been configured."""
    with connect(url.replace("http", "ws", 1) + "/v1/stream", max_size=None, **options) as socket:
        yield socket


@contextmanager
def started(url: str, **configuration: Any) -> Iterator[ClientConnection]:
    """A stream that was answered."""
    with opened(url) as socket:
        socket.send(json.dumps({"sampling_rate": 16000, "checks": False, **configuration}))
        assert json.loads(socket.recv(10))["type"] == "session.started"
        yield socket


def rest_of(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """All further messages, and how it was closed."""
    found = []
    try:
        while True:
            found.append(json.loads(socket.recv(20)))
    except ConnectionClosed as end:
        assert end.rcvd is not None
        return found, end.rcvd.code


def said(url: str, sound: NDArray[Any], frame: int = FRAME, **configuration: Any) -> list[dict[str, Any]]:
    """All that a stream of a recording is told."""
    with started(url, **configuration) as socket:
        for start in range(0, len(sound), frame):
            socket.send(sound[start : start + frame].tobytes())
        socket.send('{"type": "end"}')
        records, code = rest_of(socket)
    assert code == 1000
    return records


def test_a_stream_from_its_start_to_its_end(url: str) -> None:
    records = said(url, TALK, name="desk", embedding=True)
    kinds = [record["type"] for record in records]
    assert kinds[0] == "speech.started"
    assert kinds.count("speech.started") == kinds.count("speech.ended") == 2
    assert kinds.count("emotion") >= 8
    assert kinds[-1] == "recognition"
    ended = [record for record in records if record["type"] == "speech.ended"]
    assert [record["recognition"]["emotion"] for record in ended] == ["happy", "fearful"]
    reading = records[kinds.index("emotion")]
    assert reading["emotion"] == "happy" and sum(reading["scores"].values()) == pytest.approx(1)
    assert records[-1]["recognition"]["source"] == "desk"
    assert len(records[-1]["recognition"]["embedding"]) == 2


def test_the_answer_to_the_configuration_says_what_is_in_force(url: str) -> None:
    with opened(url) as socket:
        socket.send('{"type": "start", "sampling_rate": 8000, "channels": 2, "lag": 1.0, "hop": 0.2}')
        answer = json.loads(socket.recv(10))
    assert answer["type"] == "session.started" and len(answer["id"]) == 32
    assert answer["model"]["name"] == "fake" and answer["latency_seconds"] == 1.0
    assert answer["configuration"]["smooth"] == "hmm-online"
    assert (answer["configuration"]["hop"], answer["configuration"]["channels"]) == (0.2, 2)
    assert answer["limits"] == {"frame_bytes": 1048576, "idle_seconds": 30.0, "seconds": 14400.0}


@pytest.mark.parametrize("frame", [160, 999, 32_000, len(TALK)])
def test_the_size_of_the_frames_makes_no_difference(url: str, frame: int) -> None:
    expected, found = said(url, TALK), said(url, TALK, frame)
    for records in (expected, found):
        for record in records:
            record.pop("id", None)
            record.get("recognition", {}).pop("timestamp", None)
    assert found == expected


@needs_data
@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_file_sent_live_gives_what_its_upload_gives(rate: int) -> None:
    import soxr

    assert DATA is not None
    samples = load(DATA / "speakers" / "dev00.flac").samples[: 16 * 16000]
    content = wav(soxr.resample(samples, 16000, rate), rate)
    pcm = np.frombuffer(content[44:], "<i2")
    fields = {"smooth": "hmm-online", "preset": "customer-service"}
    with live(load=None) as url:
        answer = httpx2.post(
            f"{url}/v1/recognitions",
            files={"audio": ("talk.wav", content)},
            data={"granularity": "segment", "embedding": "true", **fields},
            timeout=60,
        )
        records = said(
            url, pcm, rate // 10, sampling_rate=rate, checks=True, embedding=True, name="talk.wav", **fields
        )
        plain = httpx2.post(
            f"{url}/v1/recognitions",
            files={"audio": ("talk.wav", content)},
            data={"granularity": "segment"},
            timeout=60,
        ).json()
    upload, last = answer.json(), records[-1]["recognition"]
    ended = [record for record in records if record["type"] == "speech.ended"]
    assert len(ended) >= 3
    assert [(r["start"], r["end"]) for r in ended] == [(s["start"], s["end"]) for s in plain["segments"]]
    for record, segment in zip(ended, plain["segments"], strict=True):
        assert record["recognition"]["scores"] == pytest.approx(segment["scores"], abs=1e-5)
    assert last["scores"] == pytest.approx(upload["scores"], abs=1e-5)
    assert last["embedding"] == pytest.approx(upload["embedding"], abs=1e-4)
    assert last["verdict"]["decision"] == upload["verdict"]["decision"]
    assert [(s["start"], s["end"], s["emotion"]) for s in last["segments"]] == [
        (s["start"], s["end"], s["emotion"]) for s in upload["segments"]
    ]
    same = (
        "duration_seconds",
        "speech_seconds",
        "granularity",
        "smoothing",
        "source",
        "reference",
        "emotion",
    )
    assert {name: last[name] for name in same} == {name: upload[name] for name in same}


@pytest.mark.parametrize(
    ("first", "code", "close", "sentence"),
    [
        ("{", "bad-request", 1007, "no JSON"),
        ("[1]", "bad-request", 1007, "JSON list"),
        ("[" * 100_000, "bad-request", 1007, "no JSON"),
        (b"\0\0", "bad-request", 1007, "sound came first"),
        ("{}", "option", 1008, "sampling_rate"),
        ('{"sampling_rate": 96000}', "option", 1008, "96000"),
        ('{"sampling_rate": 4000}', "option", 1008, "4000"),
        ('{"sampling_rate": "16000"}', "option", 1008, "sampling_rate"),
        ('{"sampling_rate": 16000, "encoding": "opus"}', "option", 1008, "encoding"),
        ('{"sampling_rate": 16000, "hop": 0.01}', "option", 1008, "hop"),
        ('{"sampling_rate": 16000, "hop": NaN}', "option", 1008, "hop"),
        ('{"sampling_rate": 16000, "channels": 2, "channel": 2}', "option", 1008, "less than channels"),
        ('{"sampling_rate": 16000, "colour": 1}', "option", 1008, "no option 'colour'"),
        ('{"sampling_rate": 16000, "smooth": "none", "lag": 1}', "option", 1008, "no effect"),
        ('{"sampling_rate": 16000, "preset": "x"}', "option", 1008, "no preset"),
        ('{"sampling_rate": 16000, "model": "../x"}', "model-not-found", 1008, "model"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused(
    url: str, first: str | bytes, code: str, close: int, sentence: str
) -> None:
    with opened(url) as socket:
        socket.send(first)
        records, closed = rest_of(socket)
    assert [record["code"] for record in records] == [code]
    assert sentence in records[0]["detail"]
    assert closed == close


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"\0\0\0", "expected a multiple of 2"),
        ('{"type": "pause"}', "'pause'"),
        ("null", "JSON NoneType"),
        ("end", "no JSON"),
        ('{"sampling_rate": 16000}', "'None'"),
    ],
)
def test_a_message_that_is_wrong_ends_the_stream(url: str, message: str | bytes, sentence: str) -> None:
    with started(url) as socket:
        socket.send(TALK[:FRAME].tobytes())
        socket.send(message)
        records, closed = rest_of(socket)
    assert records[-1]["code"] == "bad-request" and sentence in records[-1]["detail"]
    assert closed == 1007


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=5000),
            st.text(max_size=50),
            st.sampled_from(['{"type": "end"}', '{"sampling_rate": 8000}', "{}"]),
            st.dictionaries(
                st.sampled_from([*StreamForm.model_fields, "x"]),
                st.one_of(st.none(), st.integers(), st.text()),
            ).map(json.dumps),
        ),
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_no_stream_is_a_bug(
    url: str, caplog: pytest.LogCaptureFixture, messages: list[str | bytes]
) -> None:
    with opened(url) as socket:
        with suppress(ConnectionClosed):
            for message in messages:
                socket.send(message)
            socket.send("end of the noise")  # which is no JSON
        records, closed = rest_of(socket)
    assert closed in {1000, 1007, 1008}
    assert all(record["code"] != "bug" for record in records if record["type"] == "error")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_stereo_needs_whole_pairs(url: str) -> None:
    with started(url, channels=2) as socket:
        socket.send(b"\0\0")
        records, _ = rest_of(socket)
    assert "multiple of 4" in records[0]["detail"]


def test_nobody_spoke_is_an_error(url: str) -> None:
    for sound, code in ((np.zeros(32000, "<i2"), "no-speech"), (np.zeros(0, "<i2"), "input")):
        with started(url) as socket:
            socket.send(sound.tobytes())
            socket.send('{"type": "end"}')
            records, closed = rest_of(socket)
        assert [record["code"] for record in records] == [code]
        assert closed == 1008
        assert "inf" not in records[0]["detail"]


def test_silence_is_told_as_of_an_upload(url: str) -> None:
    sound = np.zeros(32000, "<i2")
    upload = httpx2.post(f"{url}/v1/recognitions", files={"audio": ("<stream>", wav(sound))}).json()["detail"]
    with started(url, name="quiet") as socket:
        socket.send(sound.tobytes())
        socket.send('{"type": "end"}')
        records, _ = rest_of(socket)
    words = "holds only silence (2.00 s under -80 dB); expected speech: check the microphone or the channel"
    assert upload.endswith(words)
    assert records[0]["detail"].endswith(words)


def test_too_large_a_frame_is_not_taken(url: str) -> None:
    with started(url) as socket:
        socket.send(bytes(1024**2 + 2))
        _, closed = rest_of(socket)
    assert closed == 1009
    assert said(url, TALK)[-1]["type"] == "recognition"


def test_a_plain_request_to_the_route_is_told_that_there_is_none(url: str) -> None:
    answer = httpx2.get(f"{url}/v1/stream")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_a_page_of_another_site_gets_no_stream(url: str) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(url, origin="https://elsewhere.example"):
        pass
    assert refused.value.response.status_code == 403


def test_with_a_token_only_who_has_it_gets_a_stream() -> None:
    with heard_by_level(), live(token=TOKEN) as url:
        with pytest.raises(InvalidStatus) as refused, opened(url):
            pass
        assert refused.value.response.status_code == 401
        with opened(url, additional_headers=ON) as socket:
            socket.send('{"sampling_rate": 16000}')
            assert json.loads(socket.recv(10))["type"] == "session.started"
        from_page = {"subprotocols": ["emotrace", f"emotrace.key.{TOKEN}"], "origin": url}
        with opened(url, **from_page) as socket:
            assert socket.subprotocol == "emotrace"
            socket.send('{"sampling_rate": 16000}')
            assert json.loads(socket.recv(10))["type"] == "session.started"
        with pytest.raises(InvalidStatus), opened(url, subprotocols=["emotrace", "emotrace.key.wrong"]):
            pass


def test_too_long_a_stream_is_told_and_its_result_still_comes() -> None:
    with heard_by_level(), live(stream_max_seconds=3.0) as url, started(url) as socket:
        with suppress(ConnectionClosed):
            for start in range(0, len(TALK), FRAME):
                socket.send(TALK[start : start + FRAME].tobytes())
        records, closed = rest_of(socket)
    ends = [record for record in records if record["type"] in {"error", "recognition"}]
    assert [ends[0].get("code"), ends[1]["type"]] == ["limit", "recognition"]
    assert records[-1]["recognition"]["duration_seconds"] == 3.0
    assert closed == 1008


def test_a_stream_that_sends_nothing_is_told_and_its_result_still_comes() -> None:
    with heard_by_level(), live(stream_idle_seconds=0.3) as url:
        with opened(url) as socket:
            assert rest_of(socket)[0][0]["code"] == "upload-timeout"
        with started(url) as socket:
            socket.send(TALK.tobytes())
            records, closed = rest_of(socket)
    ends = [record for record in records if record["type"] in {"error", "recognition"}]
    assert [ends[0].get("code"), ends[1]["type"]] == ["upload-timeout", "recognition"]
    assert closed == 1008


def test_more_streams_than_allowed_are_told_to_come_again() -> None:
    with heard_by_level(), live(streams=2) as url:
        with started(url), started(url) as second:
            with opened(url) as third:
                records, closed = rest_of(third)
            assert (records[0]["code"], closed) == ("busy", 1013)
            second.close()
            wait_for(lambda: gauge(url) == 1, "its place is free")
            with started(url):
                pass
        wait_for(lambda: gauge(url) == 0, "all places are free")


def test_a_stream_that_says_nothing_keeps_no_place_from_others() -> None:
    with heard_by_level(), live(streams=1) as url, opened(url) as silent:
        with started(url), opened(url) as third:
            assert rest_of(third)[0][0]["code"] == "busy"
        wait_for(lambda: gauge(url) == 0, "the place is free")
        silent.send('{"sampling_rate": 16000}')
        assert json.loads(silent.recv(10))["type"] == "session.started"


def test_so_many_may_say_nothing_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "WAITING", 1)
    with heard_by_level(), live() as url, opened(url), opened(url) as second:
        records, closed = rest_of(second)
    assert (records[0]["code"], closed) == ("busy", 1013)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a key is soon looked at again."""
    monkeypatch.setattr(authentication, "FRESH_SECONDS", 0.1)
    monkeypatch.setattr(line, "AGAIN_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("steady_sound", [False, True])
def test_a_stream_ends_with_its_key(tmp_path: Path, steady_sound: bool) -> None:
    store = Store(None, tmp_path)
    identifier, key = authentication.new_key()
    store.keys.add(identifier, "phone", authentication.digest_of(key), {"recognize"})
    sent = {"Authorization": f"Bearer {key}"}
    with heard_by_level(), live(data_dir=tmp_path) as url:  # noqa: SIM117, the stream ends first
        with opened(url, additional_headers=sent) as socket:
            socket.send('{"sampling_rate": 16000, "checks": false}')
            socket.send(TALK.tobytes())
            while json.loads(socket.recv(10))["type"] != "speech.ended":
                pass
            time.sleep(0.3)  # it is looked at several times, and goes on
            socket.send(TALK[:FRAME].tobytes())
            store.keys.revoke(identifier)
            with suppress(ConnectionClosed):
                for _ in range(100 if steady_sound else 0):
                    socket.send(bytes(2 * FRAME))
                    time.sleep(0.01)
            records, closed = rest_of(socket)
    store.close()
    assert [record["code"] for record in records if record["type"] == "error"] == ["unauthorized"]
    assert records[-1]["type"] == "recognition"
    assert closed == 1008


@pytest.mark.usefixtures("impatient")
def test_a_stream_of_nobody_ends_when_keys_are_asked_for(tmp_path: Path) -> None:
    with heard_by_level(), live(data_dir=tmp_path) as url, opened(url) as socket:
        socket.send('{"sampling_rate": 16000, "checks": false}')
        assert json.loads(socket.recv(10))["type"] == "session.started"
        store = Store(None, tmp_path)
        identifier, key = authentication.new_key()
        store.keys.add(identifier, "phone", authentication.digest_of(key), {"recognize"})
        store.close()
        records, closed = rest_of(socket)
    assert (records[0]["code"], closed) == ("unauthorized", 1008)


def test_a_result_is_kept_with_its_sound_as_the_settings_say(tmp_path: Path) -> None:
    with heard_by_level(), live(keep_audio=True, data_dir=tmp_path) as url:
        kept = said(url, TALK, store=True, name="desk")[-1]["id"]
        with started(url, name="lost") as socket:
            socket.send(TALK.tobytes())
            while json.loads(socket.recv(10))["type"] != "speech.ended":
                pass
        wait_for(lambda: len(history(url)) == 2, "also what a client left behind is kept")
        assert said(url, TALK, store=False)[-1]["id"] is None
        assert {row["source"] for row in history(url)} == {"desk", "lost"}
        sound = httpx2.get(f"{url}/v1/recognitions/{kept}/audio").content
        record = httpx2.get(f"{url}/v1/recognitions/{kept}").json()
    assert sound[:4] == b"RIFF" and sound[44:] == TALK.tobytes()
    assert (record["source"], record["emotion"]) == ("desk", "happy")
    with heard_by_level(), live(history=False) as url:
        assert said(url, TALK)[-1].get("id") is None
        with opened(url) as socket:
            socket.send('{"sampling_rate": 16000, "store": true}')
            assert rest_of(socket)[0][0]["code"] == "option"


def history(url: str) -> list[Any]:
    found: list[Any] = httpx2.get(f"{url}/v1/recognitions").json()["recognitions"]
    return found


def gauge(url: str) -> float:
    lines = httpx2.get(f"{url}/v1/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("emotrace_streams ")).split()[1])


def test_streams_side_by_side_do_not_mix() -> None:
    def one(level: float) -> list[str]:
        sound = (np.concatenate([steady(1.0, level), np.zeros(8000, np.float32)]) * 32767).astype("<i2")
        records = said(here, sound)
        return [r["recognition"]["emotion"] for r in records if r["type"] == "speech.ended"]

    with heard_by_level(), live() as here, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(one, [0.375, 0.5, 0.625] * 4))
    assert found == [["happy"], ["neutral"], ["other"]] * 4


def test_a_client_that_goes_away_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    with heard_by_level(), live() as url:
        for _ in range(3):
            with started(url) as socket:
                socket.send(TALK[:20_000].tobytes())
                socket.socket.shutdown(2)
        wait_for(lambda: gauge(url) == 0, "all have left")
        assert said(url, TALK)[-1]["type"] == "recognition"
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


def test_sound_that_comes_faster_than_it_is_recognised_is_held_up_and_none_is_lost() -> None:
    encoder = Gated()
    with heard_by_level(), live(lambda _: Recognizer(encoder=encoder)) as url, started(url) as socket:
        sent = 0

        def send() -> None:
            nonlocal sent
            for _ in range(40):
                for start in range(0, len(TALK), 16_000):
                    part = TALK[start : start + 16_000]
                    socket.send(part.tobytes())
                    sent += len(part)
            socket.send('{"type": "end"}')

        sender = threading.Thread(target=send)
        sender.start()
        assert encoder.begun.acquire(timeout=30)
        before = -1
        while sent != before:  # until the network holds it up
            before = sent
            time.sleep(0.3)
        assert sender.is_alive() and sent < 40 * len(TALK)
        encoder.let.set()
        records, closed = rest_of(socket)
        sender.join(30)
    assert closed == 1000
    assert records[-1]["recognition"]["duration_seconds"] == pytest.approx(40 * len(TALK) / 16000)
    assert sum(record["type"] == "speech.ended" for record in records) >= 40


@pytest.mark.slow  # the buffers of the network are filled
def test_a_client_that_reads_nothing_is_let_go() -> None:
    with heard_by_level(), live(stream_idle_seconds=0.5) as url:
        deaf = socket.create_connection((url.split("/")[2].split(":")[0], int(url.rsplit(":", 1)[1])))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        address = url.replace("http", "ws", 1) + "/v1/stream"
        with connect(address, sock=deaf, max_queue=1, close_timeout=0.1) as client:
            client.send(json.dumps({"sampling_rate": 16000, "checks": False, "frames": True, "hop": 0.1}))

            def send() -> None:
                with suppress(ConnectionClosed, OSError):
                    while True:
                        client.send(TALK.tobytes())

            sender = threading.Thread(target=send)
            sender.start()
            wait_for(lambda: gauge(url) == 1, "it has begun")
            wait_for(lambda: gauge(url) == 0, "it is let go")
            deaf.shutdown(socket.SHUT_RDWR)
            sender.join(30)
            assert not sender.is_alive()


def test_a_stop_ends_the_streams_with_their_results() -> None:
    with heard_by_level():
        stopping = live()
        url = stopping.__enter__()
        with started(url) as socket:
            socket.send(TALK.tobytes())
            kinds = []
            while "speech.ended" not in kinds:
                kinds.append(json.loads(socket.recv(10))["type"])
            ending = threading.Thread(target=stopping.__exit__, args=(None, None, None))
            ending.start()
            records, closed = rest_of(socket)
            ending.join(30)
    assert [r["code"] for r in records if r["type"] == "error"] == ["stopping"]
    assert records[-1]["type"] == "recognition"
    assert closed == 1001


def test_what_the_model_fails_at_is_told_without_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Gated):
        def encode(self, *arguments: Any) -> Any:
            raise RuntimeError("/secret/place")

    with heard_by_level(), live(lambda _: Recognizer(encoder=Broken())) as url, started(url) as socket:
        socket.send(TALK.tobytes())
        records, closed = rest_of(socket)
    assert records[-1]["code"] == "bug" and "secret" not in records[-1]["detail"]
    assert closed == 1011
    assert "/secret/place" in caplog.text


def test_a_model_that_cannot_be_loaded_is_told() -> None:
    from emotrace.errors import ModelError

    def broken(_: str) -> Recognizer:
        raise ModelError("its file /secret is broken")

    with live(broken) as url, opened(url) as socket:
        socket.send('{"sampling_rate": 16000}')
        records, closed = rest_of(socket)
    assert (records[0]["code"], closed) == ("model", 1011)
    assert "secret" not in records[0]["detail"]
