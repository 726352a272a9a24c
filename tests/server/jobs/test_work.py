"""What becomes of jobs and their items, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from emotrace.errors import DiskFullError, ModelError, StoreError
from emotrace.recognition import Recognizer
from emotrace.server.jobs import work as job_work
from tests.server.handed_in import HAPPY, SAD, finished, kept, service_of, submit, wait_for_no_uploads
from tests.server.served import Gated, client_of, fake, wait_for


@pytest.fixture(scope="module")
def gate() -> Gated:
    return Gated()


@pytest.fixture(scope="module")
def opened(gate: Gated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("jobs")
    with client_of(lambda _: Recognizer(encoder=gate), data_dir=folder, job_queue=3, workers=1) as client:
        yield client


@pytest.fixture
def client(opened: TestClient, gate: Gated) -> Iterator[TestClient]:
    """A service whose model waits until it is let; nothing is left at the end."""
    gate.let.clear()
    while gate.begun.acquire(blocking=False):
        pass
    yield opened
    gate.let.set()
    wait_for(lambda: not service_of(opened).open().job_items.unfinished(), "all jobs end")
    wait_for_no_uploads(opened)


def test_a_cancelled_job_keeps_what_is_done(client: TestClient, gate: Gated) -> None:
    answer = submit(client, HAPPY, SAD, SAD)
    place = answer.headers["location"]
    assert gate.begun.acquire(timeout=30)
    assert client.post(f"{place}/cancel").json()["state"] == "cancelled"
    gate.let.set()
    job = finished(client, answer)
    assert job["counts"] in ({"done": 1, "cancelled": 2}, {"cancelled": 3})
    assert client.post(f"{place}/cancel").status_code == 200


def test_a_job_deleted_while_it_runs_leaves_nothing(client: TestClient, gate: Gated) -> None:
    before = kept(client)
    place = submit(client, HAPPY, SAD).headers["location"]
    assert gate.begun.acquire(timeout=30)
    assert client.delete(place).status_code == 204
    gate.let.set()
    finished(client, submit(client, SAD))  # which comes after what ran
    assert kept(client) == before + 1


def test_requests_are_answered_while_a_job_runs(client: TestClient, gate: Gated) -> None:
    answer = submit(client, HAPPY)
    assert gate.begun.acquire(timeout=30)
    models = service_of(client).models
    held = models._entry("compact").recognizer
    models._entry("compact").recognizer = fake("")  # the job's own stays as it is
    try:
        sent = client.post("/v1/recognitions", files={"audio": HAPPY}, data={"checks": "false"})
        assert sent.json()["emotion"] == "happy"
    finally:
        models._entry("compact").recognizer = held
    gate.let.set()
    assert finished(client, answer)["state"] == "done"


def test_more_than_may_wait_is_refused_for_now(client: TestClient, gate: Gated) -> None:
    answer = submit(client, HAPPY, SAD, SAD)
    refused = submit(client, HAPPY)
    assert (refused.status_code, refused.json()["code"]) == (429, "busy")
    assert refused.headers["retry-after"]
    gate.let.set()
    finished(client, answer)
    assert submit(client, HAPPY).status_code == 202


@pytest.mark.parametrize("error", [StoreError("away"), DiskFullError("full"), ModelError("no memory")])
def test_what_passes_is_waited_for(
    client: TestClient, gate: Gated, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_work, "_LONGEST_WAIT", 0.05)
    gate.let.set()
    service = service_of(client)
    keep, failures = service.keep, [error] * 3

    def failing(*given: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return keep(*given, **more)

    monkeypatch.setattr(service, "keep", failing)
    assert finished(client, submit(client, HAPPY))["counts"] == {"done": 1}
    assert not failures


def test_a_model_that_cannot_be_used_fails_its_items_in_the_end(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_work, "_LONGEST_WAIT", 0.01)

    def using(_: str) -> Any:
        raise ModelError("/secret/place is broken")

    monkeypatch.setattr(service_of(client).models, "using", using)
    job = finished(client, submit(client, HAPPY))
    assert (job["state"], job["items"][0]["code"]) == ("failed", "model")
    assert "secret" not in job["items"][0]["reason"]


def test_a_bug_fails_one_item(client: TestClient, gate: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.let.set()
    service = service_of(client)
    analyse = service.analyse

    def buggy(recognizer: Any, source: Any, *given: Any, **more: Any) -> Any:
        if "happy" in source.name:
            raise ZeroDivisionError("secret")
        return analyse(recognizer, source, *given, **more)

    monkeypatch.setattr(service, "analyse", buggy)
    job = finished(client, submit(client, HAPPY, SAD))
    assert [item["code"] for item in job["items"]] == ["bug", None]
    assert "secret" not in job["items"][0]["reason"]


def test_a_recording_that_ends_its_server_again_and_again_is_left_out(client: TestClient) -> None:
    store = service_of(client).open()
    job = store.jobs.add("a" * 32, "local", {}, [("poison.wav", 1)])
    for _ in range(job_work.MOST_ATTEMPTS):
        store.job_items.begin(job, 0)
    client.app.state.jobs.wake()  # type: ignore[attr-defined]
    wait_for(lambda: client.get(f"/v1/jobs/{job}").json()["finished"], "the job ends")
    [item] = client.get(f"/v1/jobs/{job}").json()["items"]
    assert item["code"] == "error"
    assert "5 times" in item["reason"]


def test_an_upload_that_is_gone_fails_its_item(client: TestClient, gate: Gated) -> None:
    gate.let.set()
    store = service_of(client).open()
    job = store.jobs.add("c" * 32, "local", {}, [("gone.wav", 1)])
    client.app.state.jobs.wake()  # type: ignore[attr-defined]
    wait_for(lambda: client.get(f"/v1/jobs/{job}").json()["finished"], "the job ends")
    [item] = client.get(f"/v1/jobs/{job}").json()["items"]
    assert item["code"] == "error"
