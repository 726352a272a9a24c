"""The page about the service: its examples run, and it leaves nothing out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotrace.server.app import create_app
from emotrace.server.problems import KINDS
from emotrace.server.settings import Settings
from tests.server.served import TOKEN, live, speech

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
HEADS = {".npy": b"\x93NUMPY", ".vtt": b"WEBVTT", ".png": b"\x89PNG", ".zip": b"PK"}
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
    with live(load=None, token=TOKEN) as url:
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
        env={"PATH": "/usr/bin:/bin", "EMOTRACE_TOKEN": TOKEN},
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
    else:
        answer = json.loads(done.stdout)
        assert ("code" in answer) == ("--fail" not in command)


def test_every_route_has_an_example() -> None:
    shown = {(("POST" if "-F" in line or "-X POST" in line else "GET"), path(line)) for line in examples()}
    for route, methods in create_app(Settings()).openapi()["paths"].items():
        for method in methods:
            assert (method.upper(), route.replace("{name}", "compact")) in shown


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
