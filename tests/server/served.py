"""Services for tests: in this process, or behind a real socket; with a model that answers at once."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient

from emotrace.audio import load
from emotrace.models.encoder import Encoding, FakeEncoder
from emotrace.recognition import Recognizer
from emotrace.results import Array
from emotrace.sample import sample_path
from emotrace.server.address import listen, url_of
from emotrace.server.app import create_app
from emotrace.server.run import server_of
from emotrace.server.settings import Settings
from tests.clock import wait_for as wait_for

TOKEN = "correct-horse-battery"
ON = {"Authorization": f"Bearer {TOKEN}"}

QUICK = {"decode_workers": 0}
"""Settings of services that few tests ask: starting a process would take longer than they do."""


def wav(samples: Any, rate: int = 16000) -> bytes:
    """A WAV file of 16 bits."""
    values = np.clip(np.asarray(samples, np.float64) * 32767, -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(values.tobytes())
    return file.getvalue()


def speech(seconds: float = 2.0) -> bytes:
    """The beginning of the sample that comes with emotrace, as WAV."""
    return wav(load(sample_path()).samples[: round(seconds * 16000)])


def tone(level: float = 0.375, seconds: float = 0.5) -> bytes:
    """A square wave; the fake model takes a level of n/8 for emotion n: 0.375 is happy."""
    return wav(np.where(np.arange(round(seconds * 16000)) // 40 % 2, level, -level))


class Gated(FakeEncoder):
    """A model that answers when it is let, and tells when it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let = threading.Semaphore(0), threading.Event()

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :class:`FakeEncoder`."""
        self.begun.release()
        assert self.let.wait(30)
        return super().encode(waveforms, references)


def fake(_: str) -> Recognizer:
    """A model that hears loudness as emotion."""
    return Recognizer(encoder=FakeEncoder())


def app_of(load: Any = fake, **settings: Any) -> FastAPI:
    """The application with a fake model."""
    return create_app(Settings.of(**{**QUICK, **settings}), load)


@contextmanager
def client_of(load: Any = fake, **settings: Any) -> Iterator[TestClient]:
    """A client of a service in this process."""
    with TestClient(app_of(load, **settings), base_url="http://127.0.0.1") as client:
        yield client


@contextmanager
def live(load: Any = fake, **settings: Any) -> Iterator[str]:
    """The URL of a service behind a real socket."""
    chosen = Settings.of(**{"port": 0, **QUICK, **settings})
    server = server_of(chosen, load)
    with listen(chosen) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive(), "the server starts")
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def post(url: str, path: str = "/v1/recognitions", content: bytes | None = None, **fields: str) -> Any:
    """Send one recording."""
    files = {"audio": ("talk.wav", tone() if content is None else content)}
    return httpx2.post(url + path, files=files, data={"checks": "false", **fields}, timeout=60)
