"""Both clients, against real servers."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.client import Answer, AsyncClient, Client
from emotrace.errors import AudioError, LabelError, NoSpeechError, OptionError, ServerError
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.results import Failure
from emotrace.sample import sample_path
from tests.server.served import TOKEN, live, speech, tone


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live(load=None, token=TOKEN, data_dir=tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, TOKEN) as client:
        yield client


def test_the_answer_is_what_the_library_gives(client: Client) -> None:
    options = {"frames": True, "hop": 0.1}
    ours = analyse(Recognizer(threads=1), str(sample_path()), PipelineOptions.of(recognition=options))
    answer = client.recognize(sample_path(), granularity="frame", hop=0.1, embedding=True)
    theirs = answer.recognition
    assert (theirs.emotion, theirs.verdict and theirs.verdict.codes) == (
        ours.emotion,
        ours.verdict and ours.verdict.codes,
    )
    assert theirs.scores == pytest.approx(ours.scores, abs=1e-5)
    assert theirs.quality is not None
    assert ours.quality is not None
    assert theirs.quality.snr_db == pytest.approx(ours.quality.snr_db, abs=0.01)
    np.testing.assert_allclose(theirs.embedding, ours.embedding, atol=1e-5)
    assert ours.track is not None
    assert theirs.track is not None
    assert len(theirs.track) == len(ours.track)
    np.testing.assert_allclose(theirs.track.probabilities, ours.track.probabilities, atol=1e-5)
    assert theirs.track.emotions == ours.track.emotions


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "file", "pipe"])
def test_recordings_come_in_any_form(client: Client, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a b'c\n中.wav"
    path.write_bytes(speech(1.0))

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    given: dict[str, Callable[[], Any]] = {
        "path": lambda: path,
        "str": lambda: str(path),
        "bytes": path.read_bytes,
        "file": lambda: stack.enter_context(path.open("rb")),
        "pipe": lambda: Pipe(path.read_bytes()),
    }
    with ExitStack() as stack:
        assert client.recognize(given[kind](), checks=False).recognition.duration == pytest.approx(1.0)


def test_errors_are_those_of_the_library(client: Client, url: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="audio"):
        client.recognize(b"no audio")
    with pytest.raises(AudioError, match="cannot be read: no such file"):
        client.recognize(tmp_path / "missing.wav")
    with pytest.raises(NoSpeechError):
        client.recognize(tone(0.0))
    with pytest.raises(OptionError, match="hop"):
        client.recognize(speech(1.0), hop="soon")
    with pytest.raises(OptionError, match="recognize_as"):
        client.recognize(speech(1.0), format="csv")
    with pytest.raises(ServerError, match="no recognition") as caught:
        client.get("nothing")
    assert (caught.value.problem, caught.value.status) == ("recognition-not-found", 404)
    with Client(url, "wrong-wrong-wrong-wrong") as stranger, pytest.raises(ServerError) as caught:
        stranger.models()
    assert (caught.value.problem, caught.value.status) == ("unauthorized", 401)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:7860", "ftp://host", "http://", "", "http://[", "http://host?x=1"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(OptionError, match="expected one like"):
        Client(url)


def test_keys_that_cannot_be_sent() -> None:
    with pytest.raises(OptionError, match="the key has"):
        Client("http://127.0.0.1", "a\nb")


def test_history(client: Client) -> None:
    ids = [client.recognize(speech(1.0), checks=False, preset="classic").id for _ in range(3)]
    assert None not in ids
    [first, *_] = [str(each) for each in ids]
    assert {row.id for row in client.history(limit=2)} >= set(ids)
    assert client.get(first).recognition.duration == pytest.approx(1.0)
    assert client.embedding(first).shape == client.embed(speech(1.0)).shape
    assert client.timeline(first).startswith(b"\x89PNG")
    assert [said.label for said in client.feedback(first, "开心", "laughs")] == ["happy"]
    assert next(row for row in client.history(text="laughs") if row.id == first).label == "happy"
    with pytest.raises(LabelError):
        client.feedback(first, "delighted")
    assert first not in [row.id for row in client.review()]
    client.delete(first)
    with pytest.raises(ServerError, match="no recognition"):
        client.get(first)
    assert client.recognize(speech(1.0), checks=False, store=False).id is None


def test_jobs(client: Client) -> None:
    job = client.submit([speech(1.0), b"no audio"], key="once", checks=False)
    assert client.submit([speech(1.0), b"no audio"], key="once", checks=False).id == job.id
    job = client.wait(job.id, seconds=0.05)
    assert (job.state, job.progress, job.counts["done"], job.counts["failed"]) == ("done", 1.0, 1, 1)
    assert [item.code for item in job.items] == [None, "audio"]
    good, bad = client.results(job.id)
    assert isinstance(good, Answer)
    assert good.id is not None
    assert isinstance(bad, Failure)
    assert client.cancel(job.id).ended
    client.delete_job(job.id)
    with pytest.raises(ServerError):
        client.job(job.id)


def test_many_in_order(client: Client, tmp_path: Path) -> None:
    paths = []
    for number in range(6):
        (tmp_path / f"{number}.wav").write_bytes(speech(0.5 + number / 4) if number != 2 else b"no")
        paths.append(str(tmp_path / f"{number}.wav"))
    found = list(client.recognize_many(paths, checks=False))
    assert [f.code if isinstance(f, Failure) else round(f.recognition.duration * 4 - 2) for f in found] == [
        0,
        1,
        "audio",
        3,
        4,
        5,
    ]


def test_models(client: Client) -> None:
    [model] = [model for model in client.models() if model.name == "compact"]
    assert client.load(model.name).state == "loaded"
    assert client.unload(model.name).state == "unloaded"
    assert client.is_ready()
    with pytest.raises(ServerError, match="no such route"):
        client.load("../../etc/passwd")
    with pytest.raises(ServerError, match="is not installed here"):
        client.load("mine?x=1#y")


def test_asyncio(url: str) -> None:
    async def ask() -> None:
        async with AsyncClient(url, TOKEN) as client:
            answers = await asyncio.gather(*(client.recognize(speech(1.0), checks=False) for _ in range(4)))
            assert len({answer.recognition.emotion for answer in answers}) == 1
            kept = str(answers[0].id)
            assert kept in [row.id async for row in client.history()]
            assert (await client.get(kept)).id == kept
            assert [said.note for said in await client.feedback(kept, note="x")] == ["x"]
            assert (await client.timeline(kept, language="zh")).startswith(b"\x89PNG")
            assert kept not in [row.id async for row in client.review() if row.note == "nothing"]
            job = await client.wait((await client.submit([speech(1.0)], checks=False)).id, seconds=0.05)
            assert [type(each) for each in await client.results(job.id)] == [Answer]
            assert (await client.cancel(job.id)).ended
            await client.delete_job(job.id)
            await client.delete(kept)
            with pytest.raises(ServerError):
                await client.embedding(kept)
            assert (await client.recognize_as("webvtt", speech(1.0))).startswith(b"WEBVTT")
            assert (await client.embed(speech(1.0))).ndim == 1
            assert (await client.models())[0].name
            assert (await client.load("compact")).state == "loaded"
            assert (await client.unload("compact")).state == "unloaded"
            assert await client.is_ready()
            with pytest.raises(AudioError):
                await client.recognize(b"no")

    asyncio.run(ask())


# -- servers that are not as they should be -----------------------------------------------------------


@contextmanager
def odd(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers one after the other, and what it was sent."""
    left, bodies = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", bodies
        finally:
            server.shutdown()
            thread.join()


BUSY = json.dumps({"code": "busy", "detail": "too many wait"}).encode()


def test_a_busy_server_is_asked_again_with_the_whole_recording() -> None:
    answers: list[tuple[int, dict[str, str], bytes]]
    answers = [(429, {"Retry-After": "0"}, BUSY), (503, {}, BUSY), (200, {}, b"WEBVTT")]
    with odd(*answers) as (url, bodies), Client(url, patience=30) as client:
        assert client.recognize_as("webvtt", io.BytesIO(b"sound")) == b"WEBVTT"
    assert [body.count(b"sound") for body in bodies] == [1, 1, 1]


@pytest.mark.parametrize("wait", ["3600", "0.1"])
def test_patience_ends(wait: str) -> None:
    with (
        odd(*[(429, {"Retry-After": wait}, BUSY)] * 50) as (url, bodies),
        Client(url, patience=0.35) as client,
        pytest.raises(ServerError, match="too many wait") as caught,
    ):
        client.recognize(b"sound")
    assert caught.value.problem == "busy"
    assert len(bodies) <= 5


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": 3}', b"\xff"])
def test_another_server(body: bytes) -> None:
    with (
        odd((500, {}, body)) as (url, _),
        Client(url, patience=0) as client,
        pytest.raises(ServerError, match="not by emotrace"),
    ):
        client.recognize(b"sound")


def test_a_line_that_breaks() -> None:
    with (
        odd((200, {"Content-Length": "1000"}, b"{")) as (url, _),
        Client(url, timeout=5) as client,
        pytest.raises(ServerError, match=r"broke|in time"),
    ):
        client.recognize(b"sound")
