"""The page about the service: its examples run, and it leaves nothing out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from emotrace.server.app import create_app
from emotrace.server.problems import KINDS
from emotrace.server.settings import Settings
from tests.server.served import ON, TOKEN, live, speech, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
HEADS = {
    ".wav": b"RIFF",
    ".npy": b"\x93NUMPY",
    ".vtt": b"WEBVTT",
    ".png": b"\x89PNG",
    ".zip": b"PK",
    ".csv": b"source,",
}
"""How files of each kind begin."""

HERE = "http://127.0.0.1:7860"

pytestmark = pytest.mark.skipif(not PAGE.is_file() or shutil.which("curl") is None, reason="no page or curl")


def examples() -> list[str]:
    """One command each."""
    text = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").strip().split("\n")]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live(load=None, token=TOKEN, keep_audio=True) as url:
        yield url


@pytest.mark.parametrize("command", examples())
def test_an_example_runs(command: str, url: str, tmp_path: Path) -> None:
    for name in ("talk", "one", "two", "three"):
        (tmp_path / f"{name}.wav").write_bytes(speech(1.0))
    assert command.count(HERE) == 1
    said = command.replace(HERE, url)
    if "Authorization" not in said:
        said = said.replace("curl ", 'curl -H "Authorization: Bearer $EMOTRACE_TOKEN" ', 1)
    done = subprocess.run(
        ["bash", "-c", said],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "EMOTRACE_TOKEN": TOKEN, **kept_if_asked(command, url)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    if written := re.search(r"-o (\S+)", command):
        made = tmp_path / written[1]
        assert made.read_bytes().startswith(HEADS[made.suffix])
    elif "/v1/metrics" in command:
        assert "\nemotrace_requests_total{" in done.stdout
    elif "-X DELETE" in command:
        assert done.stdout == ""
    else:
        answer = json.loads(done.stdout)
        assert ("code" in answer) == ("--fail" not in command)


def kept_if_asked(command: str, url: str) -> dict[str, str]:
    """The id of a new recognition or job, for an example that speaks of one."""
    if "$JOB" in command:
        return {"JOB": finished_job(url)}
    if "$ID" not in command:
        return {}
    files = {"audio": ("talk.wav", speech(1.0))}
    answer = httpx2.post(f"{url}/v1/recognitions", files=files, headers=ON, timeout=60)
    return {"ID": answer.json()["id"]}


def finished_job(url: str) -> str:
    """A job of one recording that has ended."""
    files = {"audio": ("talk.wav", speech(1.0))}
    job = httpx2.post(f"{url}/v1/jobs", files=files, headers=ON, timeout=60).json()["id"]
    place = f"{url}/v1/jobs/{job}"
    wait_for(lambda: httpx2.get(place, headers=ON).json()["finished"], "the job ends")
    return str(job)


def method_of(command: str) -> str:
    """What curl sends."""
    if "-X " in command:
        return command.partition("-X ")[2].split()[0]
    return "POST" if "-F" in command or "--json" in command else "GET"


def test_every_route_has_an_example() -> None:
    shown = {(method_of(line), path(line)) for line in examples()}
    for route, methods in create_app(Settings()).openapi()["paths"].items():
        for method in methods:
            assert (
                method.upper(),
                route.replace("{name}", "compact").replace("{id}", "$ID").replace("{job}", "$JOB"),
            ) in shown


def path(command: str) -> str:
    """The route that an example asks."""
    return command.partition(HERE)[2].split()[0]


def test_every_code_and_field_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for code, kind in KINDS.items():
        assert f"| `{code}` | {kind.status} | {kind.meaning} |" in text
    document = create_app(Settings()).openapi()
    body = document["paths"]["/v1/recognitions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    for field in body["schema"]["properties"]:
        assert f"`{field}`" in text
