"""Many recordings: jobs of the service, whatever becomes of the page and of the server."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from emotrace.webui.mount import _Gradio
from tests.server.processes import ServerProcess, wait
from tests.server.served import speech
from tests.webui.pages import Visit, served, visit
from tests.webui.people import GRADIO, events, people, uploaded
from tests.webui.people import served as served_here

SHOWN = "#em-batch-shown"


def recordings(folder: Path, count: int, seconds: float = 1.0) -> list[Path]:
    """Each another."""
    paths = [folder / f"call {number}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(speech(seconds + 0.01 * number))
    return paths


def hand_in(seen: Visit, paths: list[Path]) -> None:
    seen.tab(2)
    seen.upload(*paths, into="#em-files")
    seen.page.locator("#em-files .file-preview tr").nth(len(paths) - 1).wait_for()
    seen.page.locator("#em-batch:not([disabled])").click()
    seen.page.wait_for_selector(f"{SHOWN} .em-progress")


def newest(url: str) -> dict[str, Any]:
    """The newest job, as the REST API tells it."""
    [job] = httpx2.get(f"{url}/v1/jobs", params={"limit": 1}).json()["jobs"]
    found: dict[str, Any] = job
    return found


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_may_be_left(chromium: Any, url: str, tmp_path: Path, language: str) -> None:
    paths = recordings(tmp_path, 20, seconds=4.0)
    (tmp_path / "broken.wav").write_bytes(b"no audio at all")
    told = {"en": "20 analysed, 1 failed", "zh": "已分析 20 个，失败 1 个"}[language]
    with visit(chromium, url, language) as seen:
        hand_in(seen, [*paths, tmp_path / "broken.wav"])
        seen.page.close()
        seen.page = seen.context.new_page()
        seen.page.goto(f"{url}/#batch")
        seen.page.locator(f"{SHOWN} :is(.em-progress, .em-done)").wait_for()
        seen.page.locator(f"{SHOWN} .em-done", has_text=told).wait_for()
        rows = [row.inner_text() for row in seen.page.locator(f"{SHOWN} tbody tr").all()]
        assert len(rows) == 21 and "%" in rows[0]
        links = [str(link.get_attribute("href")) for link in seen.page.locator(f"{SHOWN} .em-chip").all()]
        together, table, lines = (seen.context.request.get(url + link).body() for link in links)
    with zipfile.ZipFile(io.BytesIO(together)) as packed:
        assert sum(name.endswith("result.json") for name in packed.namelist()) == 20
    assert table.count(b"\n") == 22
    assert [json.loads(line)["state"] for line in lines.splitlines()] == ["done"] * 20 + ["failed"]


@pytest.mark.slow
def test_a_killed_server_goes_on_and_the_page_with_it(chromium: Any, tmp_path: Path) -> None:
    files, data = tmp_path / "files", tmp_path / "data"
    files.mkdir()
    count = 40
    with ServerProcess(data, None, "--job-takeover-seconds", "2") as first:
        url = first.url
        seen = Visit(chromium, url, "zh")
        hand_in(seen, recordings(files, count, seconds=3.0))
        wait(lambda: newest(url)["counts"].get("done", 0) >= 3, "some are done")
        first.kill()
    left = [path for path in (data / "jobs").rglob("*") if path.is_file()]
    assert 0 < len(left) < count
    seen.page.locator("[data-testid=toast-text]", has_text="服务器恢复后页面会自动重新加载").wait_for()
    port = url.rpartition(":")[2]
    with ServerProcess(data, None, "--job-takeover-seconds", "2", "--port", port) as second:
        seen.page.locator(f"{SHOWN} .em-done", has_text=f"已分析 {count} 个，失败 0 个").wait_for()
        assert seen.page.locator(f"{SHOWN} tbody tr").count() == count
        assert newest(url)["counts"] == {"done": count}
        kept = httpx2.get(f"{url}/v1/recognitions", params={"limit": 100}).json()["recognitions"]
        assert len({each["source"] for each in kept}) == len(kept) == count  # nothing twice
        second.stop()
    seen.context.close()


@pytest.mark.slow
def test_the_rest_is_cancelled_and_earlier_batches_are_there(chromium: Any, url: str, tmp_path: Path) -> None:
    some, many = tmp_path / "some", tmp_path / "many"
    for folder in (some, many):
        folder.mkdir()
    with visit(chromium, url) as seen:
        hand_in(seen, recordings(some, 2))
        seen.page.locator(f"{SHOWN} .em-done", has_text="2 analysed").wait_for()
        hand_in(seen, recordings(many, 30, seconds=8.0))
        seen.page.get_by_role("button", name="Cancel the rest").click()
        seen.page.locator(f"{SHOWN} .em-done", has_text="left out").wait_for()
        assert seen.page.locator(f"{SHOWN} tbody tr", has_text="left out").count() > 0
        seen.page.wait_for_selector("#em-batch-cancel", state="hidden")
        seen.page.locator("#em-batch-earlier input").click()
        seen.page.get_by_role("option", name="recordings: 2").first.click()
        seen.page.locator(f"{SHOWN} .em-done", has_text="2 analysed").wait_for()
    assert newest(url)["state"] == "cancelled"


@pytest.mark.slow
def test_a_server_that_keeps_nothing_analyses_while_the_page_is_open(
    chromium: Any, talk: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio at all")
    with served(tmp_path, "--no-history") as url, visit(chromium, url) as seen:
        seen.tab(2)
        seen.page.wait_for_selector("#em-batch[disabled]")
        hand_in(seen, [talk, broken])
        seen.page.locator(f"{SHOWN} .em-done", has_text="1 analysed, 1 failed").wait_for()
        together = str(seen.page.locator(f"{SHOWN} .em-chip").first.get_attribute("href"))
        with zipfile.ZipFile(io.BytesIO(seen.context.request.get(url + together).body())) as packed:
            assert sum(name.endswith("result.json") for name in packed.namelist()) == 1
        assert httpx2.get(f"{url}/v1/jobs").json()["jobs"] == []


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service with pages, for two people with keys."""
    with served_here(tmp_path_factory.mktemp("data")) as client:
        yield client


def called(client: TestClient, who: dict[str, str], name: str, data: list[Any], session: str) -> str:
    """What a function of the page tells it."""
    [door] = [route.door for route in client.app.routes if isinstance(route, _Gradio)][:1]  # type: ignore[attr-defined]
    number = next(i for i, each in door._app.get_blocks().fns.items() if each.name == name)
    body = {"data": data, "fn_index": number, "session_hash": session}
    answer = client.post(f"{GRADIO}/queue/join", json=body, headers=who)
    assert answer.status_code == 200, answer.text
    return events(client, who, session)


def submitted(client: TestClient, who: dict[str, str], paths: list[str], session: str) -> str:
    files = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths]
    options = ["utterance", "auto", "none", "default", "mean", False]
    return called(client, who, "hand_in", [files, *options], session)


def test_everybody_sees_their_own_batches(client: TestClient) -> None:
    ann, bob = people(client)
    submitted(client, ann, [uploaded(client, ann, "of ann.wav")], "ann1")
    [job] = client.get("/v1/jobs", headers=ann).json()["jobs"]
    assert "of ann.wav" in called(client, ann, "follow", [""], "ann2")
    assert "of ann.wav" in called(client, ann, "follow", [job["id"]], "ann3")
    for asked in ("", job["id"]):
        assert "of ann.wav" not in called(client, bob, "follow", [asked], f"bob{len(asked)}")
    assert "not there any more" in called(client, bob, "cancel", [job["id"]], "bob1")
    assert client.get(f"/v1/jobs/{job['id']}/results?format=zip", headers=bob).status_code == 404


def test_uploads_stay_for_another_try_and_too_many_are_refused(client: TestClient) -> None:
    ann, _ = people(client)
    path = uploaded(client, ann, "again.wav", level=0.3)
    for session in ("a", "b"):
        submitted(client, ann, [path], session)
        assert "again.wav" in called(client, ann, "follow", [""], f"{session}2")
    jobs = client.get("/v1/jobs", headers=ann).json()["jobs"]
    assert len([each for each in jobs if each["counts"] == {"done": 1}]) == len(jobs) >= 2
    most = client.app.state.service.settings.job_files  # type: ignore[attr-defined]
    assert f"at most {most} recordings" in submitted(client, ann, [path] * (most + 1), "c")
    assert len(client.get("/v1/jobs", headers=ann).json()["jobs"]) == len(jobs)
