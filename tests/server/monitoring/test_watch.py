"""One line and some figures for each request."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient

from emotrace.models.encoder import FakeEncoder
from emotrace.recognition import Recognizer
from tests.server.served import ON, TOKEN, app_of, client_of, live, post, tone, wait_for
from tests.server.test_live import BODY, opened

UPLOAD = {"audio": ("Frau Müller.wav", tone())}


def lines(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [each for each in caplog.records if hasattr(each, "route")]


def test_a_request_is_one_line_without_names(caplog: pytest.LogCaptureFixture) -> None:
    with client_of(token=TOKEN) as client, caplog.at_level(logging.INFO, "emotrace"):
        answer = client.post(
            "/v1/recognitions?secret=1",
            files=UPLOAD,
            data={"checks": "false"},
            headers={**ON, "X-Request-ID": "proxy-1"},
        )
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "proxy-1")
    [line] = lines(caplog)
    assert (line.method, line.route, line.status) == ("POST", "/v1/recognitions", 200)
    assert line.bytes_in > len(tone()) < line.bytes_in
    assert line.bytes_out == len(answer.content)
    assert line.ms > 0
    assert line.key
    told = " ".join(str(vars(each)) for each in caplog.records)
    for secret in (TOKEN, "Müller", "secret=1"):
        assert secret not in told


def test_names_are_told_if_the_settings_want_them(caplog: pytest.LogCaptureFixture) -> None:
    with client_of(log_names=True) as client, caplog.at_level(logging.INFO, "emotrace"):
        client.post("/v1/recognitions", files=UPLOAD, data={"hop": "soon"})
    [line] = lines(caplog)
    assert (line.status, line.code, line.source) == (422, "option", "Frau Müller.wav")


def test_a_problem_carries_the_id_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    with client_of() as client, caplog.at_level(logging.INFO, "emotrace"):
        answer = client.get("/v1/nothing/etc/passwd", headers={"X-Request-ID": "not sane"})
    assert answer.json()["request"] == answer.headers["x-request-id"] != "not sane"
    [line] = lines(caplog)
    assert (line.route, line.code) == ("-", "not-found")


def test_a_refused_request_is_a_line_too(caplog: pytest.LogCaptureFixture) -> None:
    with client_of(token=TOKEN) as client, caplog.at_level(logging.INFO, "emotrace"):
        assert client.get("/v1/models").status_code == 401
    [line] = lines(caplog)
    assert (line.status, line.code, line.key) == (401, "unauthorized", None)


def test_a_bug_is_told_with_its_traceback_and_the_id(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeEncoder):
        def encode(self, *args: Any, **options: Any) -> Any:
            raise ZeroDivisionError

    app = app_of(lambda _: Recognizer(encoder=Broken()))
    client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    with client, caplog.at_level(logging.INFO, "emotrace"):
        answer = client.post("/v1/recognitions", files=UPLOAD, data={"checks": "false"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, answer.json()["request"])
    [line] = lines(caplog)
    assert (line.status, line.code) == (500, "bug")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert any(each.exc_info for each in caplog.records)


def test_what_machines_ask_is_not_told_unless_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    with client_of() as client, caplog.at_level(logging.INFO, "emotrace"):
        for path in ("/v1/health", "/v1/ready", "/v1/metrics"):
            assert client.get(path).status_code == 200
    assert lines(caplog) == []


def test_a_client_that_went_away_is_not_a_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    with live() as url, caplog.at_level(logging.INFO, "emotrace"):
        with opened(url, f"Content-Length: {len(BODY)}") as connection:
            connection.sendall(BODY[:500])
        wait_for(lambda: lines(caplog), "the line")
        assert post(url).status_code == 200
    assert lines(caplog)[0].status == 499


def test_methods_that_clients_make_up_are_one(caplog: pytest.LogCaptureFixture) -> None:
    with client_of() as client, caplog.at_level(logging.INFO, "emotrace"):
        for number in range(3):
            client.request(f"ANON{number}", "/v1/models")
        text = client.get("/v1/metrics").text
    assert "ANON" not in text
    assert 'method="other",route="/v1/models"' in text
    assert {line.method for line in lines(caplog)} == {"other"}
