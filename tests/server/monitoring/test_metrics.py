from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from emotrace.errors import StoreError
from emotrace.models.encoder import FakeEncoder
from emotrace.server.monitoring.metrics import Measured, Metrics
from emotrace.store.jobs import Jobs, State
from tests.server.served import ON, TOKEN, client_of, tone, wait_for

UPLOAD = {"audio": ("talk.wav", tone(seconds=2.0))}


def figures(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and values of the labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_and_recognitions_are_counted() -> None:
    with client_of() as client:
        before = figures(client.get("/v1/metrics").text)
        for fields in ({}, {"granularity": "frame"}, {"hop": "soon"}):
            client.post("/v1/recognitions", files=UPLOAD, data={"checks": "false", **fields})
        client.get("/v1/models/../../etc")
        answer = client.get("/v1/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = figures(answer.text)
    route = ("POST", "/v1/recognitions")
    assert found["emotrace_requests_total", (*route, "200")] == 2
    assert found["emotrace_requests_total", (*route, "422")] == 1
    assert found["emotrace_problems_total", ("option",)] == 1
    assert found["emotrace_request_seconds_count", ("/v1/recognitions",)] == 3
    assert found["emotrace_audio_seconds_total", ("fake",)] == 4.0
    assert sum(v for (name, _), v in found.items() if name == "emotrace_recognitions_total") == 2
    assert found["emotrace_real_time_factor_count", ()] == 2
    assert found["emotrace_models", ("loaded",)] == 1
    assert before["emotrace_models", ("loaded",)] == 0
    assert (found["emotrace_work", ()], found["emotrace_requests_in_progress", ()]) == (0, 1)
    assert found["emotrace_process_resident_memory_bytes", ()] > 1e7
    assert not any("etc" in label for _, labels in found for label in labels)


def test_the_model_s_batches_and_time_are_counted() -> None:
    metrics, fake = Metrics(), FakeEncoder()
    encoder = Measured(fake, metrics)
    found = encoder.encode([np.ones(1600, np.float32)] * 3)
    assert len(found) == 3
    assert encoder.encode([]) == []
    assert (encoder.card, encoder.info) == (fake.card, fake.info)
    counted = figures(metrics.text().decode())
    assert (counted["emotrace_batch_size_sum", ()], counted["emotrace_batch_size_count", ()]) == (3, 1)
    assert counted["emotrace_model_seconds_total", ("fake",)] > 0


def test_two_services_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.streams.inc()
    assert figures(one.text().decode())["emotrace_streams", ()] == 1
    assert figures(other.text().decode())["emotrace_streams", ()] == 0


def test_what_is_read_when_it_is_asked_for() -> None:
    metrics, state = Metrics(), {"queued": 1.0}
    metrics.watch("jobs", "Jobs by state.", "state", lambda: state)
    metrics.watch("waiting", "What waits.", "", lambda: 7)
    state["done"] = 2
    found = figures(metrics.text().decode())
    assert [found["emotrace_jobs", (each,)] for each in state] == [1, 2]
    assert found["emotrace_waiting", ()] == 7


@pytest.mark.parametrize(("settings", "status"), [({}, 200), ({"token": TOKEN}, 401)])
def test_who_may_read_them(settings: dict[str, Any], status: int) -> None:
    with client_of(**settings) as client:
        assert client.get("/v1/metrics").status_code == status
        assert client.get("/v1/metrics", headers=ON).status_code == 200


def test_recordings_of_jobs_are_counted_by_state(tmp_path: Path) -> None:
    def counted() -> dict[str, float]:
        found = figures(client.get("/v1/metrics").text)
        return {each: found["emotrace_job_items", (each,)] for each in get_args(State)}

    with client_of(data_dir=tmp_path) as client:
        assert set(counted().values()) == {0}
        job = client.post("/v1/jobs", files=UPLOAD).json()["id"]
        wait_for(lambda: client.get(f"/v1/jobs/{job}").json()["finished"], "the job ends")
        assert counted() == {**dict.fromkeys(get_args(State), 0), "done": 1}


def test_figures_are_there_while_the_database_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: object) -> None:
        raise StoreError("the database is away")

    monkeypatch.setattr(Jobs, "states", away)
    with client_of() as client:
        assert client.get("/v1/metrics").status_code == 200
