"""Handing in jobs, for tests."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.server.served import tone, wait_for

HAPPY = ("happy.wav", tone(0.375))
SAD = ("sad.wav", tone(0.75))
BROKEN = ("broken.wav", b"RIFF, but no more")


def submit(client: TestClient, *files: tuple[str, bytes], key: str | None = None, **options: str) -> Any:
    sent = [("audio", file) for file in files]
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/v1/jobs", files=sent, data={"checks": "false", **options}, headers=headers)


def finished(client: TestClient, answer: Any) -> Any:
    assert answer.status_code == 202, answer.text
    place = answer.headers["location"]
    wait_for(lambda: client.get(place).json()["finished"], "the job ends")
    return client.get(place).json()


def uploads(client: TestClient) -> list[str]:
    """The folders of jobs whose uploads are there."""
    folder = service_of(client).settings.data_folder / "jobs"
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def wait_for_no_uploads(client: TestClient) -> None:
    """A job is told to be finished before its last upload is removed, so that none is lost by a crash."""
    wait_for(lambda: not uploads(client), "all uploads are gone")


def service_of(client: TestClient) -> Any:
    return client.app.state.service  # type: ignore[attr-defined]


def kept(client: TestClient) -> int:
    return len(service_of(client).open().recognitions.search(None, limit=500).items)
