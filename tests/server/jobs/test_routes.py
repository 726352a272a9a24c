"""The routes of jobs, with a model that answers at once."""

from __future__ import annotations

import csv
import errno
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.datastructures import UploadFile

from emotrace.server.access.callers import Caller
from tests.server.handed_in import BROKEN, HAPPY, SAD, finished, submit, uploads, wait_for_no_uploads
from tests.server.served import client_of, tone


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(data_dir=tmp_path_factory.mktemp("jobs"), job_files=20) as client:
        yield client


def as_caller(client: TestClient, monkeypatch: pytest.MonkeyPatch, key: str, *scopes: str) -> None:
    caller = Caller(key, key, frozenset(scopes))
    for room in ("jobs.routes", "history.routes"):
        monkeypatch.setattr(f"emotrace.server.{room}.require", lambda request, scope: caller)


def test_a_job_gives_what_requests_give(client: TestClient) -> None:
    job = finished(client, submit(client, HAPPY, BROKEN, SAD, granularity="frame"))
    assert (job["state"], job["progress"], job["counts"]) == ("done", 1.0, {"done": 2, "failed": 1})
    states = [(item["source"], item["state"], item["code"]) for item in job["items"]]
    assert states == [
        ("happy.wav", "done", None),
        ("broken.wav", "failed", "audio"),
        ("sad.wav", "done", None),
    ]
    assert "broken.wav" in job["items"][1]["reason"]
    lines = [json.loads(line) for line in client.get(f"/v1/jobs/{job['id']}/results").text.splitlines()]
    alone = client.post(
        "/v1/recognitions",
        files={"audio": HAPPY},
        data={"checks": "false", "granularity": "frame", "store": "false"},
    ).json()
    result = lines[0]["result"]
    assert {**result, "timestamp": ""} == {**alone, "timestamp": "", "id": result.get("id")} or (
        result["scores"] == alone["scores"] and result["frames"] == alone["frames"]
    )
    assert lines[1]["result"] is None
    assert lines[1]["error"]["code"] == "audio"
    assert [line["id"] for line in lines] == [item["id"] for item in job["items"]]
    kept = client.get(f"/v1/recognitions/{job['items'][0]['id']}")
    assert kept.status_code == 200
    wait_for_no_uploads(client)


def test_results_as_a_table_and_as_folders(client: TestClient) -> None:
    job = finished(client, submit(client, HAPPY, BROKEN, ("../../=evil.wav", tone(0.75)), embedding="true"))
    table = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["emotion"] or row["error_code"] for row in rows] == ["happy", "audio", "sad"]
    packed = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "zip"}).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
        assert json.loads(archive.read("0001_happy.wav/result.json"))["emotion"] == "happy"
        assert np.load(io.BytesIO(archive.read("0001_happy.wav/embedding.npy"))).ndim == 1
    assert names[0] == "results.csv"
    plain = finished(client, submit(client, HAPPY))
    packed = client.get(f"/v1/jobs/{plain['id']}/results", params={"format": "zip"}).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["results.csv", "0001_happy.wav/result.json"]
    assert not [name for name in names if ".." in name or name.startswith("/")]
    unknown = client.get(f"/v1/jobs/{job['id']}/results", params={"format": "exe"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "option")


def test_the_embedding_comes_if_it_was_asked_for(client: TestClient) -> None:
    job = finished(client, submit(client, HAPPY, embedding="true"))
    line = json.loads(client.get(f"/v1/jobs/{job['id']}/results").text)
    alone = client.post(
        "/v1/recognitions", files={"audio": HAPPY}, data={"checks": "false", "embedding": "true"}
    ).json()
    assert line["result"]["embedding"] == pytest.approx(alone["embedding"], abs=1e-6)


def test_the_same_key_gives_the_same_job(client: TestClient) -> None:
    first = submit(client, HAPPY, SAD, key="monday")
    again = submit(client, HAPPY, SAD, key="monday")
    assert again.json()["id"] == first.json()["id"]
    for answer in (submit(client, HAPPY, key="monday"), submit(client, HAPPY, SAD, key="monday", hop="0.1")):
        assert (answer.status_code, answer.json()["code"]) in ((422, "key-reused"), (422, "option"))
    job = finished(client, again)
    assert job["counts"] == {"done": 2}
    assert submit(client, HAPPY, SAD, key="monday").json()["state"] == "done"
    wait_for_no_uploads(client)


@pytest.mark.parametrize("key", ["", "x" * 256, "bad\tkey"])
def test_a_key_that_is_none(client: TestClient, key: str) -> None:
    answer = submit(client, HAPPY, key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "option")


def test_what_cannot_work_is_refused_and_leaves_nothing(client: TestClient) -> None:
    wait_for_no_uploads(client)
    for options, code in (
        ({"hop": "soon"}, "option"),
        ({"model": "no-such"}, "model-not-found"),
        ({"preset": "no-such"}, "option"),
        ({"format": "csv"}, "option"),
        ({"max_seconds": "1e9"}, "option"),
    ):
        answer = submit(client, HAPPY, **options)
        assert answer.json()["code"] == code, answer.text
    assert submit(client, *[HAPPY] * 21).json()["code"] == "multipart"
    assert client.post("/v1/jobs", data={"hop": "1"}).json()["code"] in ("content-type", "multipart")
    assert client.post("/v1/jobs", files={"other": HAPPY}).json()["code"] == "multipart"
    assert uploads(client) == []


def test_a_foreign_job_is_not_found_as_an_unknown_one_is(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_caller(client, monkeypatch, "ann", "recognize")
    job = finished(client, submit(client, HAPPY))["id"]
    as_caller(client, monkeypatch, "bob", "recognize")
    for one in (job, "0" * 32, "%2e%2e", "x" * 500):
        for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/cancel"), ("DELETE", "")):
            answer = client.request(method, f"/v1/jobs/{one}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "job-not-found")
            shown = answer.json()["detail"].replace(one, "ID")
            assert shown.startswith("there is no job 'ID'") or one != job
    assert client.get("/v1/jobs").json()["jobs"] == []
    as_caller(client, monkeypatch, "boss", "admin")
    assert client.get(f"/v1/jobs/{job}").json()["state"] == "done"
    as_caller(client, monkeypatch, "ann", "recognize")
    assert [each["id"] for each in client.get("/v1/jobs").json()["jobs"]] == [job]


def test_a_key_of_another_caller_is_another_job(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    as_caller(client, monkeypatch, "ann", "recognize")
    first = submit(client, HAPPY, key="shared").json()["id"]
    as_caller(client, monkeypatch, "bob", "recognize")
    assert submit(client, HAPPY, key="shared").json()["id"] != first


def test_jobs_are_listed_page_by_page(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    as_caller(client, monkeypatch, "lister", "recognize")
    made = [submit(client, HAPPY).json()["id"] for _ in range(3)]
    first = client.get("/v1/jobs", params={"limit": 2}).json()
    second = client.get("/v1/jobs", params={"limit": 2, "cursor": first["cursor"]}).json()
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == made[::-1]
    assert second["cursor"] is None
    for query in ({"limit": "0"}, {"limit": "501"}, {"cursor": "x"}, {"other": "1"}):
        assert client.get("/v1/jobs", params=query).json()["code"] == "option"


def test_a_deleted_job_leaves_nothing(client: TestClient) -> None:
    wait_for_no_uploads(client)
    job = finished(client, submit(client, HAPPY, SAD))
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
    for item in job["items"]:
        assert client.get(f"/v1/recognitions/{item['id']}").status_code == 404
    assert uploads(client) == []


def test_a_full_disk_is_told_and_leaves_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for_no_uploads(client)

    async def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(UploadFile, "write", full)
    answer = submit(client, HAPPY)
    assert (answer.status_code, answer.json()["code"]) == (507, "disk-full")
    assert uploads(client) == []


def test_a_broken_form_leaves_nothing(client: TestClient) -> None:
    wait_for_no_uploads(client)
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    head = b'--edge\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    for body in (head + tone(), head + tone() + b"\r\n--edge\r\nbroken\r\n\r\n", b"", b"--edge--\r\n"):
        answer = client.post("/v1/jobs", content=body, headers=kind)
        assert (answer.status_code, answer.json()["code"]) == (400, "multipart"), body[-20:]
    assert uploads(client) == []
