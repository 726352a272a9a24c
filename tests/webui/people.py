"""A service with pages in this process, for two people with keys, and what a page sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from emotrace.server.access.authentication import digest_of, new_key
from emotrace.webui import mount
from tests.server.served import app_of, fake, tone

ROOT = "/ui/en"
GRADIO = f"{ROOT}/gradio_api"
ANALYSE = 0
"""The function of the page's button."""


@contextmanager
def served(
    folder: Path, load: Any = fake, scopes: Any = (), concurrency: int | None = None
) -> Iterator[TestClient]:
    """The service; ``app.state.keys`` are the headers of ann and bob."""
    app = app_of(load, data_dir=folder, max_bytes=200_000)
    store = app.state.service.open()
    app.state.keys = []
    for name in ("ann", "bob"):
        identifier, key = new_key()
        store.keys.add(
            identifier, name, digest_of(key), set(scopes) or {"recognize", "history"}, concurrency=concurrency
        )
        app.state.keys.append({"Authorization": f"Bearer {key}"})
    mount(app, app.state.service)
    with TestClient(app, base_url="http://127.0.0.1", cookies={}) as client:
        yield client


def people(client: TestClient) -> Any:
    """Headers of ann and bob."""
    found: Any = client.app
    return found.state.keys


def uploaded(client: TestClient, who: dict[str, str], name: str = "talk.wav", level: float = 0.375) -> str:
    """What a page calls an uploaded recording."""
    answer = client.post(f"{GRADIO}/upload", files={"files": (name, tone(level))}, headers=who)
    assert answer.status_code == 200, answer.text
    [path] = answer.json()
    return str(path)


def code(answer: Any) -> str:
    """Of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:200]
    found: str = answer.json()["code"]
    return found


def joined(
    client: TestClient, who: dict[str, str], path: str, session: str = "ann1", name: str | None = None
) -> Any:
    """The answer to the button."""
    file = {"path": path, "meta": {"_type": "gradio.FileData"}} | (
        {} if name is None else {"orig_name": name}
    )
    data = [file, "utterance", "auto", "none", "default", "mean", False]
    body = {"data": data, "fn_index": ANALYSE, "session_hash": session}
    return client.post(f"{GRADIO}/queue/join", json=body, headers=who)


def events(client: TestClient, who: dict[str, str], session: str = "ann1") -> str:
    """All that the page is told until the end."""
    answer = client.get(f"{GRADIO}/queue/data", params={"session_hash": session}, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.text


def analysed(
    client: TestClient, who: dict[str, str], path: str, session: str = "ann1", name: str | None = None
) -> tuple[str, str, str]:
    """Address of the result, its id in the history, and all that the page is told."""
    answer = joined(client, who, path, session, name)
    assert answer.status_code == 200, answer.text
    text = events(client, who, session)
    found, kept = re.search(r"(/ui/results/[\w-]+)/sound", text), re.search(r"history as (\w+)", text)
    assert found and kept, text
    return found[1], kept[1], text
