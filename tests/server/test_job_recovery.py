"""Servers that are killed in the middle of jobs: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import io
import json
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path

import httpx2
import numpy as np
import pytest

from emotrace.audio import load
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.sample import sample_path
from emotrace.store import Store
from tests.postgres import Postgres
from tests.server.processes import ServerProcess, wait
from tests.server.served import wav

QUICK = ("--job-takeover-seconds", "2", "--decode-workers", "0", "--no-ui")
PIECES = 8


@cache
def piece(number: int) -> bytes:
    """A second and more of the sample, each piece another."""
    samples = load(sample_path()).samples
    start = number * 9000 % (len(samples) - 24000)
    return wav(samples[start : start + 16000 + 500 * (number % 9)])


def recordings(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    return [(f"{number}.wav", piece(number)) for number in range(first, first + count)]


@cache
def undisturbed(number: int) -> dict[str, float]:
    """The scores of a piece, recognised by the library."""
    options = PipelineOptions.of(checks=False)
    return dict(analyse(_recognizer(), io.BytesIO(piece(number)), options).scores)


@cache
def _recognizer() -> Recognizer:
    return Recognizer("compact", threads=1)


def check(
    server: ServerProcess, data: Path, database: str | None, jobs: Sequence[str], sizes: Sequence[int]
) -> int:
    """All items have the result of an undisturbed run, once; how many were begun more than once."""
    ids: list[str] = []
    for job, size in zip(jobs, sizes, strict=True):
        answer = httpx2.get(f"{server.url}/v1/jobs/{job}/results", timeout=60)
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [(line["number"], line["state"]) for line in lines] == [(n, "done") for n in range(size)]
        for line in lines:
            number = int(line["source"].partition(".")[0])
            expected = undisturbed(number)
            found = line["result"]["scores"]
            assert found == pytest.approx(expected, abs=1e-5), line["source"]
        ids += [line["id"] for line in lines]
    store = Store(database, data)
    try:
        attempts = [item.attempts for job in jobs for item in store.jobs.items(job)]
        listed: list[str] = []
        page = store.recognitions.search(None, limit=500)
        listed += [each.id for each in page.items]
        while page.cursor is not None:
            page = store.recognitions.search(None, limit=500, cursor=page.cursor)
            listed += [each.id for each in page.items]
    finally:
        store.close()
    assert sorted(listed) == sorted(ids)
    assert len(set(ids)) == len(ids)
    left = data / "jobs"
    wait(lambda: not any(left.iterdir()), "the uploads are removed")
    return sum(each > 1 for each in attempts)


def done(server: ServerProcess, job: str) -> int:
    return int(server.get(f"/v1/jobs/{job}")["counts"].get("done", 0))


def test_a_killed_server_goes_on_when_it_starts_again(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, None, *QUICK) as first:
        job = first.submit(recordings(PIECES), key="k", checks="false")
        wait(lambda: done(first, job) >= 2, "some are done")
        first.kill()
    with ServerProcess(tmp_path, None, *QUICK) as second:
        assert second.submit(recordings(PIECES), key="k", checks="false") == job
        ended = second.finished(job)
        assert ended["counts"] == {"done": PIECES}
        assert check(second, tmp_path, None, [job], [PIECES]) <= 1
        second.stop()
        assert "Traceback" not in second.log


def test_another_server_takes_over_from_a_killed_one(tmp_path: Path, postgres_url: str) -> None:
    with (
        ServerProcess(tmp_path, postgres_url, *QUICK) as first,
        ServerProcess(tmp_path, postgres_url, *QUICK) as second,
    ):
        jobs = [first.submit(recordings(PIECES, n), checks="false") for n in (0, PIECES)]
        wait(lambda: done(second, jobs[0]) >= 2, "some are done")
        first.kill()
        for job in jobs:
            assert second.finished(job)["counts"] == {"done": PIECES}
        assert check(second, tmp_path, postgres_url, jobs, [PIECES] * 2) <= 1
        second.stop()
        assert "Traceback" not in second.log


@pytest.mark.slow
def test_what_runs_on_a_living_server_is_never_taken_over(tmp_path: Path, postgres_url: str) -> None:
    flags = ("--job-takeover-seconds", "1", "--decode-workers", "0", "--no-ui")
    with (
        ServerProcess(tmp_path, postgres_url, *flags) as first,
        ServerProcess(tmp_path, postgres_url, *flags) as second,
    ):
        long = wav(np.tile(load(sample_path()).samples, 20))  # takes many times as long as a takeover
        job = first.submit([("long.wav", long)] * 4)
        assert second.finished(job, 300)["counts"] == {"done": 4}
        store = Store(postgres_url, tmp_path)
        assert [item.attempts for item in store.jobs.items(job)] == [1] * 4
        store.close()
        assert "taken over" not in first.log + second.log


def _has_begun(server: ServerProcess, job: str) -> bool:
    return done(server, job) >= 2


@pytest.mark.slow
def test_a_server_that_was_paused_does_nothing_twice(tmp_path: Path, postgres_url: str) -> None:
    with (
        ServerProcess(tmp_path, postgres_url, *QUICK) as first,
        ServerProcess(tmp_path, postgres_url, *QUICK) as second,
    ):
        jobs: list[str] = []
        while "taken over" not in second.log:  # until the pause met a recording that was begun
            assert len(jobs) < 12
            jobs.append(job := first.submit(recordings(20, 20 * len(jobs)), checks="false"))
            wait(partial(_has_begun, second, job), "some are done")
            first.process.send_signal(signal.SIGSTOP)
            assert second.finished(job, 120)["counts"] == {"done": 20}
            first.process.send_signal(signal.SIGCONT)  # and finds what it had begun done by another
        again = first.submit(recordings(10, 20 * len(jobs)), checks="false")
        assert first.finished(again, 120)["counts"] == {"done": 10}
        check(second, tmp_path, postgres_url, [*jobs, again], [20] * len(jobs) + [10])
        first.stop()
        second.stop()


@pytest.mark.slow
def test_a_database_that_goes_and_comes_back(tmp_path: Path, postgres: Postgres) -> None:
    with (
        postgres.database() as url,
        ServerProcess(tmp_path, url, *QUICK) as first,
        ServerProcess(tmp_path, url, *QUICK) as second,
    ):
        job = first.submit(recordings(40), checks="false")
        wait(lambda: done(second, job) >= 4, "some are done")
        postgres.stop()
        time.sleep(5)
        assert httpx2.get(f"{first.url}/v1/jobs/{job}").json()["code"] == "store"
        postgres.start()
        assert second.finished(job, 120)["counts"] == {"done": 40}
        check(second, tmp_path, url, [job], [40])
        first.stop()
        second.stop()


@pytest.mark.slow
def test_two_servers_killed_in_turn_while_200_jobs_run(
    tmp_path: Path, postgres_url: str, record_property: Callable[[str, object], None]
) -> None:
    sizes = random.Random(7).choices((1, 2, 3), k=200)
    with ExitStack() as stack:
        servers = [stack.enter_context(ServerProcess(tmp_path, postgres_url, *QUICK)) for _ in range(2)]
        jobs, kills = [], 0
        for number, size in enumerate(sizes):
            jobs.append(_submitted(servers, number, size))
            if number % 10 == 9:
                kills += 1
                servers[kills % 2].kill()
                servers[kills % 2] = stack.enter_context(ServerProcess(tmp_path, postgres_url, *QUICK))
        while servers[0].get("/v1/jobs?limit=1")["jobs"][0]["finished"] is None:
            time.sleep(5)
            kills += 1
            servers[kills % 2].kill()
            servers[kills % 2] = stack.enter_context(ServerProcess(tmp_path, postgres_url, *QUICK))
        for job, size in zip(jobs, sizes, strict=True):
            assert servers[0].finished(job, 300)["counts"] == {"done": size}
        again = check(servers[1], tmp_path, postgres_url, jobs, sizes)
        assert kills >= 20
        assert again <= kills  # only what was being done when a server was killed
        record_property("kills", kills)
        record_property("begun again", again)


def _submitted(servers: Sequence[ServerProcess], number: int, size: int) -> str:
    """A job handed in at one server and, with the same key, at the other: one job."""
    ids = {server.submit(recordings(size, number), key=str(number), checks="false") for server in servers}
    [job] = ids
    return job
