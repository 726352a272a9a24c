"""Services that stop and start again, and what they keep."""

from __future__ import annotations

import logging
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from emotrace.errors import StoreError
from emotrace.recognition import Recognizer
from emotrace.server.jobs import keeper as job_keeper
from emotrace.server.jobs.engine import Engine
from emotrace.store import Store
from emotrace.store.schema import job_items, jobs
from emotrace.store.types import now
from tests.server.handed_in import (
    HAPPY,
    SAD,
    finished,
    kept,
    service_of,
    submit,
    uploads,
    wait_for_no_uploads,
)
from tests.server.served import Gated, client_of, speech, wait_for


def test_a_service_that_stops_leaves_what_runs_for_its_next_start(tmp_path: Path) -> None:
    encoder = Gated()
    long = ("long.wav", speech(20.0))
    with client_of(lambda _: Recognizer(encoder=encoder), data_dir=tmp_path, job_grace_seconds=0) as client:
        place = submit(client, long, SAD, whole_seconds="1").headers["location"]
        assert encoder.begun.acquire(timeout=30)
        threading.Timer(0.3, encoder.let.set).start()  # while the service stops
    with client_of(data_dir=tmp_path, job_bytes=1_000_000, max_bytes=1000, keep_audio=True) as client:
        wait_for(lambda: client.get(place).json()["finished"], "the job ends")
        assert client.get(place).json()["counts"] == {"done": 2}
        assert [item.attempts for item in service_of(client).open().jobs.items(place[-32:])] == [1, 1]
        assert kept(client) == 2
        # the limits are those of jobs, and recordings are kept only if that is configured
        job = finished(client, submit(client, HAPPY))
        found = client.get(f"/v1/recognitions/{job['items'][0]['id']}/audio")
        assert found.content == HAPPY[1]
        wait_for_no_uploads(client)
        assert submit(client, long, long).json()["code"] == "limit"
        assert uploads(client) == []


def test_a_recording_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, job_seconds=0.001) as client:
        job = finished(client, submit(client, ("long.wav", speech(10.0)), whole_seconds="1"))
        assert job["items"][0]["code"] == "deadline"


def test_a_server_that_keeps_nothing_takes_no_jobs(tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, history=False) as client:
        assert submit(client, HAPPY).json()["code"] == "option"


def test_a_queue_that_cannot_be_used_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start, away = Engine.start, threading.Event()

    def starts(engine: Engine) -> None:
        if away.is_set():
            raise StoreError("the queue is away, secretly")
        start(engine)

    monkeypatch.setattr(Engine, "start", starts)
    away.set()
    with client_of(data_dir=tmp_path, job_takeover_seconds=1, metrics_open=True) as client:
        assert client.get("/v1/ready").json() == {"status": "ready", "jobs": "ready"}  # nothing to do yet
        place = submit(client, HAPPY).headers["location"]
        wait_for(lambda: client.get("/v1/ready").json()["jobs"] == "stuck", "it is told")
        told = client.get(place).json()
        assert (told["state"], told["problem"].split(",")[0]) == (
            "queued",
            "this server cannot use the queue of jobs just now",
        )
        assert client.get("/v1/jobs").json()["jobs"][0]["problem"] == told["problem"]
        assert "secretly" in caplog.text
        assert "secretly" not in str(told)
        assert "emotrace_jobs_stuck 1.0" in client.get("/v1/metrics").text
        away.clear()
        wait_for(lambda: client.get(place).json()["state"] == "done", "it is tried again")
        wait_for(lambda: client.get("/v1/ready").json()["jobs"] == "ready", "it goes again")
        assert client.get(place).json()["problem"] is None
        assert "emotrace_jobs_stuck 0.0" in client.get("/v1/metrics").text


def test_a_queue_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let, start = threading.Event(), Engine.start

    def starts(engine: Engine) -> None:
        assert let.wait(30)
        start(engine)

    monkeypatch.setattr(Engine, "start", starts)
    with client_of(data_dir=tmp_path, job_takeover_seconds=1) as client:
        place = submit(client, HAPPY).headers["location"]
        wait_for(lambda: client.get(place).json()["problem"], "it is told")
        let.set()
        wait_for(lambda: client.get(place).json()["state"] == "done", "the job is done")


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


def test_two_services_in_one_process_take_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quick = {"job_takeover_seconds": 1.0}
    with client_of(data_dir=tmp_path / "b", **quick) as second:
        with client_of(data_dir=tmp_path / "a", **quick) as first:
            finished(first, submit(first, HAPPY))
            with caplog.at_level(logging.WARNING):
                answer = submit(second, SAD)
                wait_for(lambda: "another service in this process" in caplog.text, "it is told")
        assert finished(second, answer)["counts"] == {"done": 1}


def test_jobs_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    store = Store(None, tmp_path)
    ids = {name: name * 32 for name in "abc"}
    for each in ids.values():
        store.jobs.add(each, "local", {}, [("a.wav", 1)])
    for name in "ab":
        store.job_items.begin(ids[name], 0)
        store.job_items.failed(ids[name], 0, "audio", "it is empty")
    with store.database.writing() as connection:
        connection.execute(
            update(jobs).where(jobs.c.id != ids["b"]).values(created=now() - timedelta(days=8))
        )
        connection.execute(update(job_items).where(job_items.c.job == ids["c"]).values(state="cancelled"))
    with client_of(data_dir=tmp_path, keep_days=7.0):
        wait_for(lambda: store.jobs.known(ids.values()) == {ids["b"]}, "they are forgotten")
    assert {line.actor for line in store.audit.list(subject=ids["a"]).items} == {"retention"}
    store.close()


def test_the_queue_is_closed_when_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_keeper, "_IDLE_SECONDS", 0.0)
    with client_of(data_dir=tmp_path, job_takeover_seconds=1.0) as client:
        for file in (HAPPY, SAD):
            assert finished(client, submit(client, file))["counts"] == {"done": 1}
            wait_for(lambda: not queue_threads(), "it is closed")


def queue_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("queue-worker")]
