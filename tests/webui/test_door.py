from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from emotrace.webui import mount
from tests.server.served import app_of, tone
from tests.webui.people import ROOT, code, joined, people, served, uploaded


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service with pages, for two people with keys."""
    with served(tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture(autouse=True)
def no_cookies(client: TestClient) -> None:
    """Of the tests before."""
    client.cookies.clear()


def test_a_file_is_read_by_who_uploaded_it_only(client: TestClient) -> None:
    ann, bob = people(client)
    path = uploaded(client, ann)
    assert client.get(f"{ROOT}/gradio_api/file={path}", headers=ann).content == tone()
    assert code(client.get(f"{ROOT}/gradio_api/file={path}", headers=bob)) == "not-found"
    assert code(client.get(f"{ROOT}/gradio_api/file={path}")) == "unauthorized"
    assert code(joined(client, bob, path, "bob1")) == "not-found"
    assert joined(client, ann, path).status_code == 200


def test_the_same_sound_of_two_people_is_both_s(client: TestClient) -> None:
    for who in people(client):
        path = uploaded(client, who)
        assert client.get(f"{ROOT}/gradio_api/file={path}", headers=who).status_code == 200


def test_no_other_file_is_read_and_no_address_is_fetched(client: TestClient, tmp_path: Path) -> None:
    ann, _ = people(client)
    (tmp_path / "secret").write_text("x")
    for path in (
        "/etc/passwd",
        "../../etc/passwd",
        str(tmp_path / "secret"),
        "http://127.0.0.1:1/x",
        "%2e%2e/x",
    ):
        assert code(client.get(f"{ROOT}/gradio_api/file={path}", headers=ann)) == "not-found"
        assert code(joined(client, ann, path)) == "not-found"


def test_a_page_of_one_person_is_not_listened_to_by_another(client: TestClient) -> None:
    ann, bob = people(client)
    assert joined(client, ann, uploaded(client, ann)).status_code == 200
    query = {"session_hash": "ann1"}
    assert code(client.get(f"{ROOT}/gradio_api/queue/data", params=query, headers=bob)) == "not-found"
    assert code(client.get(f"{ROOT}/gradio_api/heartbeat/ann1", headers=bob)) == "not-found"


UNNEEDED = (
    *("/gradio_api/info", "/gradio_api/proxy=http://127.0.0.1:1/x", "/gradio_api/runs", "/monitoring"),
    *("/config", "/docs", "/gradio_api/openapi.json", "/dev/reload", "/assets/../x"),
    *("/gradio_api/deep_link", "/gradio_api/stream/x", "/gradio_api/custom_component/x", "/manifest.json"),
    *("/gradio_api/user", "/gradio_api/token", ""),
)


def test_what_a_page_does_not_need_is_not_there(client: TestClient) -> None:
    ann, _ = people(client)
    for address in (root + path for path in UNNEEDED for root in (ROOT, "") if root + path):
        assert code(client.get(address, headers=ann)) == "not-found", address


def test_the_api_stays_as_it_is(client: TestClient) -> None:
    ann, _ = people(client)
    assert code(client.get("/v1/nothing", headers=ann)) == "not-found"
    assert code(client.post("/v1/health", headers=ann)) == "method-not-allowed"
    classic = client.post(
        "/api/predict/", files={"audio": ("a.wav", tone())}, data={"fn_index": "0"}, headers=ann
    )
    assert classic.json()["data"][0]["emotion"] == "happy"
    assert code(client.post("/api/analyse/", json={}, headers=ann)) == "not-found"
    assert not any(
        path.startswith(("/ui", "/gradio"))
        for path in client.get("/v1/openapi.json", headers=ann).json()["paths"]
    )


def test_too_large_uploads_and_inputs_are_refused(client: TestClient) -> None:
    ann, _ = people(client)
    files = {"files": ("talk.wav", b"x" * 300_000)}
    assert code(client.post(f"{ROOT}/gradio_api/upload", files=files, headers=ann)) == "limit"
    for body in (b"[]", b"{", b'"x"', b"[" * 100_000):
        assert code(client.post(f"{ROOT}/gradio_api/queue/join", content=body, headers=ann)) == "bad-request"


def test_uploads_do_not_fill_the_disk(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, _ = people(client)
    uploaded(client, ann)
    monkeypatch.setattr("emotrace.webui.uploads.MOST_BYTES", 10)
    answer = client.post(f"{ROOT}/gradio_api/upload", files={"files": ("a.wav", tone())}, headers=ann)
    assert code(answer) == "busy"


def test_page_is_under_a_strict_policy_and_names_no_other_host(client: TestClient) -> None:
    ann, _ = people(client)
    answer = client.get(
        "/", headers={**ann, "Accept-Language": "zh-CN,zh;q=0.9", "X-Forwarded-Host": "evil.test"}
    )
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)
    assert (
        nonce
        and "script-src 'self' 'nonce-" in policy
        and "unsafe-inline" not in policy.split("style-src")[0]
    )
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert len(scripts) > 3 and all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert 'lang="zh-CN"' in answer.text and "evil.test" not in answer.text
    links = re.findall(r'(?:src|href)="(?:https?:)?//[^"]+', answer.text)
    assert links == []


def test_who_is_not_signed_in_is_shown_where_to(client: TestClient) -> None:
    answer = client.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")


def test_switching_is_remembered(client: TestClient) -> None:
    ann, _ = people(client)
    answer = client.get("/", params={"lang": "zh"}, headers=ann, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert "emotrace_language=zh" in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert 'lang="zh-CN"' in client.get("/", headers=ann).text


@pytest.mark.slow
def test_environment_and_other_hosts_are_left_alone_and_files_go_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda _, address: asked.append(address))
    known = socket.getaddrinfo

    def look(host: Any, *more: Any, **named: Any) -> Any:
        if host not in (None, "127.0.0.1"):
            asked.append(host)
        return known(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = dict(os.environ)
    app = app_of(data_dir=tmp_path / "data")
    mount(app, app.state.service)
    assert dict(os.environ) == before
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/").status_code == 200
        name = uploaded(client, {})
        assert joined(client, {}, name).status_code == 200
        [path] = (tmp_path / "data" / "ui").glob(f"*/uploads/{name}")
        assert oct(path.parents[2].stat().st_mode)[-3:] == "700"
    assert [each.name for each in (tmp_path / "data" / "ui").iterdir()] == ["lock"]
    assert [each.name for each in tmp_path.iterdir()] == ["data"]
    assert asked == []
