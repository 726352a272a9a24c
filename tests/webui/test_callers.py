"""What the pages owe to the service's limits, scopes, history and deletions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from emotrace.recognition import Recognizer
from emotrace.server.renderings import KEPT_NAMES
from emotrace.webui.downloads import kept_links
from emotrace.webui.mount import _Gradio
from emotrace.webui.texts import Words
from tests.server.served import Gated
from tests.webui.people import GRADIO, analysed, code, events, joined, people, served, uploaded


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service with pages, for two people with keys."""
    with served(tmp_path_factory.mktemp("data")) as client:
        yield client


def test_what_is_deleted_cannot_be_had_any_more(client: TestClient) -> None:
    ann, bob = people(client)
    path = uploaded(client, ann)
    result, kept, _ = analysed(client, ann, path)
    uploaded(client, bob)  # the same sound, which stays bob's
    files = (f"{result}/sound", f"{result}/json", f"{result}/folder", f"{GRADIO}/file={path}")
    assert [client.get(each, headers=ann).status_code for each in files] == [200] * 4
    assert client.delete(f"/v1/recognitions/{kept}", headers=ann).status_code == 204
    assert [code(client.get(each, headers=ann)) for each in files] == ["not-found"] * 4
    assert client.get(f"{GRADIO}/file={path}", headers=bob).status_code == 200
    assert code(joined(client, ann, path)) == "not-found"


def test_names_are_those_of_the_client_and_no_path_is_told(client: TestClient) -> None:
    ann, _ = people(client)
    name = "张三 #1?.wav"
    path = uploaded(client, ann, name)
    _, kept, text = analysed(client, ann, path, name=name)
    assert client.get(f"/v1/recognitions/{kept}", headers=ann).json()["source"] == name
    folder = str(client.app.state.service.settings.data_folder)  # type: ignore[attr-defined]
    assert not path.startswith("/") and folder not in text
    assert folder not in client.get("/", headers=ann).text


def test_only_who_may_recognise_uploads(tmp_path: Path) -> None:
    with served(tmp_path, scopes=("history",)) as client:
        ann, _ = people(client)
        files = {"files": ("talk.wav", b"x")}
        assert code(client.post(f"{GRADIO}/upload", files=files, headers=ann)) == "forbidden"
        assert code(joined(client, ann, "x/talk.wav")) == "forbidden"


def test_the_pages_keep_to_the_limit_of_a_key(tmp_path: Path) -> None:
    encoder = Gated()
    turns: list[str] = []
    with served(tmp_path, lambda _: Recognizer(encoder=encoder), concurrency=1) as client:
        queue = client.app.state.service.queue  # type: ignore[attr-defined]
        run = queue.run

        async def noting(*work: Any, **more: Any) -> Any:
            turns.append(more["caller"])
            return await run(*work, **more)

        queue.run = noting
        ann, bob = people(client)
        for who, session in ((ann, "a"), (bob, "b")):
            path = uploaded(client, who)
            assert joined(client, who, path, f"{session}1").status_code == 200
            encoder.begun.acquire()
        for number in range(2, 5):
            assert joined(client, bob, path, f"b{number}").status_code == 200
            assert "Too many requests" in events(client, bob, f"b{number}")
        assert not encoder.begun.acquire(blocking=False)
        encoder.let.set()
        for who, session in ((ann, "a1"), (bob, "b1")):
            assert "em-result" in events(client, who, session)
        assert len(turns) == 2 and len(set(turns)) == 2


def test_drawing_and_packing_wait_in_the_queue_and_are_counted(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = people(client)
    result, _, _ = analysed(client, ann, uploaded(client, ann))
    queue = client.app.state.service.queue  # type: ignore[attr-defined]
    monkeypatch.setattr(queue, "_places", 0)
    for form in ("png", "svg", "folder"):
        assert code(client.get(f"{result}/{form}", headers=ann)) == "busy"
    assert client.get(f"{result}/json", headers=ann).status_code == 200


def test_a_page_opens_what_another_session_listed(client: TestClient) -> None:
    ann, _ = people(client)
    _, kept, _ = analysed(client, ann, uploaded(client, ann))
    known = next(route.door for route in client.app.routes if isinstance(route, _Gradio))  # type: ignore[attr-defined]
    [number] = [i for i, each in known._app.get_blocks().fns.items() if each.name == "_open"]
    for name, shown in ((kept, "em-result"), ("0" * 32, "not there any more")):
        body = {"data": [name], "fn_index": number, "session_hash": f"new{name}"}
        assert client.post(f"{GRADIO}/queue/join", json=body, headers=ann).status_code == 200
        assert shown in events(client, ann, f"new{name}")


def test_history_gives_every_form_of_the_rest_api(client: TestClient) -> None:
    ann, _ = people(client)
    _, kept, _ = analysed(client, ann, uploaded(client, ann))
    row = client.app.state.service.open().recognitions.get(kept, None)  # type: ignore[attr-defined]
    links = [address for _, address in kept_links(row, Words("zh")).downloads]
    asked = {address.partition("format=")[2].partition("&")[0] or "json" for address in links}
    assert asked >= set(KEPT_NAMES)
    assert [client.get(address, headers=ann).status_code for address in links] == [200] * len(links)
