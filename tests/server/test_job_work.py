"""What becomes of jobs and their items, whatever happens."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import DiskFullError, ModelError, StoreError
from emotrace.recognition import Recognizer
from emotrace.server import job_work
from tests.server.handed_in import HAPPY, SAD, finished, submit, uploads
from tests.server.served import Gated, client_of, fake, tone, wait_for


def test_a_cancelled_job_keeps_what_is_done(tmp_path: Path) -> None:
    encoder = Gated()
    with client_of(lambda _: Recognizer(encoder=encoder), data_dir=tmp_path) as client:
        answer = submit(client, HAPPY, SAD, SAD)
        place = answer.headers["location"]
        wait_for(lambda: client.get(place).json()["counts"].get("running"), "one runs")
        assert client.post(f"{place}/cancel").json()["state"] == "cancelled"
        encoder.let.set()
        job = finished(client, answer)
        assert job["counts"] in ({"done": 1, "cancelled": 2}, {"cancelled": 3})
        assert client.post(f"{place}/cancel").status_code == 200
        wait_for(lambda: uploads(client) == [], "the uploads are gone")


def test_a_job_deleted_while_it_runs_leaves_nothing(tmp_path: Path) -> None:
    encoder = Gated()
    with client_of(lambda _: Recognizer(encoder=encoder), data_dir=tmp_path) as client:
        place = submit(client, HAPPY, SAD).headers["location"]
        assert encoder.begun.acquire(timeout=30)
        assert client.delete(place).status_code == 204
        encoder.let.set()
        again = finished(client, submit(client, SAD))  # which comes after what ran
        listed = client.get("/v1/recognitions").json()
        assert [item["id"] for item in again["items"]] == [each["id"] for each in listed["recognitions"]]
        assert uploads(client) == []


def test_requests_are_answered_while_a_job_runs(tmp_path: Path) -> None:
    encoder = Gated()
    models = iter([Recognizer(encoder=encoder), fake("")])
    with client_of(lambda _: next(models), data_dir=tmp_path, workers=1) as client:
        answer = submit(client, HAPPY)
        assert encoder.begun.acquire(timeout=30)
        client.post("/v1/models/compact/unload")
        sent = client.post("/v1/recognitions", files={"audio": HAPPY}, data={"checks": "false"})
        assert sent.json()["emotion"] == "happy"
        encoder.let.set()
        assert finished(client, answer)["state"] == "done"


def test_more_than_may_wait_is_refused_for_now(tmp_path: Path) -> None:
    encoder = Gated()
    with client_of(lambda _: Recognizer(encoder=encoder), data_dir=tmp_path, job_queue=2) as client:
        answer = submit(client, HAPPY, SAD)
        refused = submit(client, HAPPY)
        assert (refused.status_code, refused.json()["code"]) == (429, "busy")
        assert refused.headers["retry-after"]
        encoder.let.set()
        finished(client, answer)
        assert submit(client, HAPPY).status_code == 202


def test_a_large_job_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, max_bytes=1000, job_bytes=50_000) as client:
        assert finished(client, submit(client, HAPPY))["counts"] == {"done": 1}  # more than max_bytes
        assert submit(client, HAPPY, SAD, HAPPY, SAD).json()["code"] == "limit"
        assert uploads(client) == []


def test_a_server_that_keeps_nothing_takes_no_jobs(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, history=False) as client:
        assert (submit(client, HAPPY).json()["code"]) == "option"


def test_uploads_are_kept_only_if_that_is_configured(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, keep_audio=True) as client:
        job = finished(client, submit(client, HAPPY))
        kept = client.get(f"/v1/recognitions/{job['items'][0]['id']}/audio")
        assert kept.content == HAPPY[1]
        assert uploads(client) == []


def test_a_service_that_stops_leaves_what_runs_for_its_next_start(tmp_path: Path) -> None:
    encoder = Gated()
    encoder.let.set()

    def load(_: str) -> Recognizer:
        return Recognizer(encoder=encoder)

    long = ("long.wav", tone(0.375, 120.0))
    with client_of(load, data_dir=tmp_path, job_grace_seconds=0) as client:
        place = submit(client, long, SAD, whole_seconds="1").headers["location"]
        assert encoder.begun.acquire(timeout=30)
        encoder.let.clear()  # and goes on while the service stops
        threading.Timer(0.5, encoder.let.set).start()
    with client_of(data_dir=tmp_path) as client:
        wait_for(lambda: client.get(place).json()["finished"], "the job ends")
        job = client.get(place).json()
        assert job["counts"] == {"done": 2}, str(job["items"][0])
        assert len(client.get("/v1/recognitions").json()["recognitions"]) == 2


@pytest.mark.parametrize("error", [StoreError("away"), DiskFullError("full"), ModelError("no memory")])
def test_what_passes_is_waited_for(tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_work, "_LONGEST_WAIT", 0.05)
    with client_of(data_dir=tmp_path) as client:
        service: Any = client.app.state.service  # type: ignore[attr-defined]
        keep, failures = service.keep, [error] * 3

        def failing(*given: Any, **more: Any) -> Any:
            if failures:
                raise failures.pop()
            return keep(*given, **more)

        monkeypatch.setattr(service, "keep", failing)
        assert finished(client, submit(client, HAPPY))["counts"] == {"done": 1}
        assert not failures


def test_a_model_that_cannot_be_used_fails_its_items_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_work, "_LONGEST_WAIT", 0.01)

    def load(_: str) -> Recognizer:
        raise ModelError("/secret/place is broken")

    with client_of(load, data_dir=tmp_path) as client:
        job = finished(client, submit(client, HAPPY))
        assert (job["state"], job["items"][0]["code"]) == ("failed", "model")
        assert "secret" not in job["items"][0]["reason"]


def test_a_bug_fails_one_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_of(data_dir=tmp_path) as client:
        service: Any = client.app.state.service  # type: ignore[attr-defined]
        analyse = service.analyse

        def buggy(recognizer: Any, source: Any, *given: Any, **more: Any) -> Any:
            if "happy" in source.name:
                raise ZeroDivisionError("secret")
            return analyse(recognizer, source, *given, **more)

        monkeypatch.setattr(service, "analyse", buggy)
        job = finished(client, submit(client, HAPPY, SAD))
        assert [item["code"] for item in job["items"]] == ["bug", None]
        assert "secret" not in job["items"][0]["reason"]


def test_a_recording_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, job_seconds=0.001) as client:
        job = finished(client, submit(client, ("long.wav", tone(0.375, 60.0)), whole_seconds="1"))
        assert job["items"][0]["code"] == "deadline"


def test_a_recording_that_ends_its_server_again_and_again_is_left_out(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, job_workers=1) as client:
        service: Any = client.app.state.service  # type: ignore[attr-defined]
        store = service.open()
        job = store.jobs.add("a" * 32, "local", {}, [("poison.wav", 1)])
        for _ in range(job_work.MOST_ATTEMPTS):
            store.job_items.begin(job, 0)
        client.app.state.jobs.wake()  # type: ignore[attr-defined]
        wait_for(lambda: client.get(f"/v1/jobs/{job}").json()["finished"], "the job ends")
        [item] = client.get(f"/v1/jobs/{job}").json()["items"]
        assert item["code"] == "error"
        assert "5 times" in item["reason"]


def test_what_uploads_that_were_cut_off_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "jobs" / ("b" * 32)
    left.mkdir(parents=True)
    (left / "upload-0").write_bytes(b"x")
    os.utime(left, (0, 0))
    young = tmp_path / "jobs" / ("c" * 32)
    young.mkdir()
    with client_of(data_dir=tmp_path):
        wait_for(lambda: not left.exists(), "it is removed")
        assert young.exists()
