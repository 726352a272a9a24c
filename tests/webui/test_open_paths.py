"""Whatever is sent to the open paths of Gradio: a problem, and nothing of it in the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webui.people import ANALYSE, GRADIO, ROOT, code, events, people, served

SECRET = "a-secret-of-a-client"

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.dictionaries(st.sampled_from(["path", "url", "meta", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "session_hash": ANYTHING | st.just("fuzz"),
        "fn_index": ANYTHING | st.integers(-1, 40),
        "event_id": ANYTHING | st.text(),
        "trigger_id": ANYTHING,
        "event_data": ANYTHING,
        "data": ANYTHING | st.lists(ANYTHING, min_size=1, max_size=7),
    },
)
POSTS = ("queue/join", "cancel", "reset", "reset/")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service with pages."""
    with served(tmp_path_factory.mktemp("data")) as client:
        yield client


def fine(answer: Any) -> None:
    if answer.status_code >= 400:
        assert answer.status_code < 500, answer.text
        code(answer)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(POSTS), body=BODIES | ANYTHING)
def test_bodies(client: TestClient, path: str, body: Any) -> None:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    fine(client.post(f"{GRADIO}/{path}", content=content, headers=people(client)[0]))


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=200),
    kind=st.sampled_from(["multipart/form-data; boundary=x", "", "text/plain"]),
)
def test_uploads(client: TestClient, content: bytes, kind: str) -> None:
    headers = {**people(client)[0], "Content-Type": kind}
    code(client.post(f"{GRADIO}/upload", content=b"--x\r\n" + content, headers=headers))


HEAD = b'--x\r\nContent-Disposition: form-data; name="files"'


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"\r\n\r\nno file\r\n--x--\r\n",
        HEAD + b'; filename="a.wav"\r\n\r\nno end',
        b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--",
        b"",
    ],
)
@pytest.mark.parametrize("query", ["", "?upload_id=known"])
def test_broken_forms(client: TestClient, content: bytes, query: str) -> None:
    headers = {**people(client)[0], "Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post(f"{GRADIO}/upload{query}", content=content, headers=headers)
    assert code(answer) in ("multipart", "bad-request")


@pytest.mark.parametrize(
    "path",
    [
        *("/queue/data", "/queue/data?session_hash=unknown", "/queue/data?session_hash=", "/upload_progress"),
        *("/queue/data?session_hash=a&session_hash=b", "/upload_progress?upload_id=%00"),
        *("/file=x", "/file=%00", "/file=..", "/file=/", "/heartbeat/%C3%A9%20"),
    ],
)
def test_addresses(client: TestClient, path: str) -> None:
    assert code(client.get(GRADIO + path, headers=people(client)[0])) in ("bad-request", "not-found")


def test_assets_that_are_not_there(client: TestClient) -> None:
    for path in ("/assets/x.js", "/assets/../../x", "/assets/%2e%2e/x", "/static/.", "/static/x"):
        answer = client.get(ROOT + path, headers=people(client)[0])
        assert code(answer) in ("bad-request", "not-found"), path


def test_values_that_no_control_has_are_logged_without_them(
    client: TestClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ann, _ = people(client)
    data = [None, SECRET, "auto", "none", "default", "mean", False]
    body = {"data": data, "fn_index": ANALYSE, "session_hash": "wrong"}
    with caplog.at_level(logging.INFO, "emotrace.server"):
        assert client.post(f"{GRADIO}/queue/join", json=body, headers=ann).status_code == 200
        assert '"success":false' in events(client, ann, "wrong")
    told = capsys.readouterr()
    assert told.err + told.out == "" and SECRET not in caplog.text
    assert "an event of a page failed: Error (" in caplog.text
