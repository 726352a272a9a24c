"""Refusals that cost little, and that clients get to see."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from emotrace.recognition import Recognizer
from tests.server.served import Gated, live, post, tone, wait_for


@pytest.mark.parametrize("path", ["/v1/recognitions", "/v1/embeddings", "/api/predict/"])
def test_whoever_sends_all_of_a_recording_sees_why_it_is_refused(path: str) -> None:
    gated = Gated()
    with live(lambda _: Recognizer(encoder=gated), workers=1, queue=0) as url, ThreadPoolExecutor(9) as pool:
        first = pool.submit(post, url)
        assert gated.begun.acquire(timeout=30)
        sizes = [1000, 100_000, 900_000, 6_000_000] * 2
        refused = list(pool.map(lambda size: post(url, path, content=bytes(size)), sizes))
        figures = httpx2.get(f"{url}/v1/metrics").text
        gated.let.set()
        assert first.result().status_code == 200
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (429, "busy")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["X-Request-Id"] == answer.json()["request"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert f'emotrace_requests_total{{method="POST",route="{path}",status="429"}} 8.0' in figures


def test_what_is_being_uploaded_has_a_place_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotrace.server import service
    from tests.server.test_live import HEAD, opened

    monkeypatch.setattr(service, "CLAIM_SECONDS", 0.5)
    with live(workers=1, queue=0) as url, opened(url, "Content-Length: 100000") as slow:
        slow.sendall(HEAD)

        def status() -> int:
            return int(post(url).status_code)

        wait_for(lambda: status() == 429, "the slow upload has the only place")
        wait_for(lambda: status() == 200, "it sends too slowly to keep others out")


def test_the_answer_to_a_refusal_is_one_problem() -> None:
    gated = Gated()
    with live(lambda _: Recognizer(encoder=gated), workers=1, queue=0) as url, ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, url)
        assert gated.begun.acquire(timeout=30)
        with httpx2.Client() as client:  # one connection: it can be used again
            answers = [client.post(f"{url}/v1/recognitions", files={"audio": tone()}) for _ in range(3)]
            assert client.get(f"{url}/v1/health").status_code == 200
        gated.let.set()
        first.result()
    assert [json.loads(answer.content)["status"] for answer in answers] == [429] * 3
    assert all("close" not in answer.headers.get("connection", "") for answer in answers)
