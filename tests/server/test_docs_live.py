"""The page about live streams: its examples run, and it leaves nothing out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emotrace.server.live.form import StreamForm
from emotrace.server.problems import KINDS
from tests.server.served import TOKEN, live, speech, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "live.md"
HERE = "ws://127.0.0.1:7860"
KIND = '{ type: "text/javascript" }'
CHROMIUM = Path("/usr/bin/chromium")

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="no page")


def block(language: str, beginning: str) -> str:
    """The code block that begins so."""
    text = PAGE.read_text("utf-8")
    found = re.findall(rf"^```{language}\n({re.escape(beginning)}.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    code: str = found[0]
    return code


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live(load=None) as url:
        yield url


def test_the_client_in_python_runs(url: str, tmp_path: Path) -> None:
    (tmp_path / "live.py").write_text(block("python", "# live.py").replace("sleep(0.1)", "sleep(0)"))
    (tmp_path / "talk.wav").write_bytes(speech(3.0))
    done = subprocess.run(
        [sys.executable, "live.py", "talk.wav", url.replace("http", "ws", 1) + "/v1/stream"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    kinds = [line.split()[0] for line in done.stdout.splitlines()]
    assert [kinds[0], kinds[1], kinds[-1]] == ["session.started", "speech.started", "recognition"]
    assert {"emotion", "speech.ended"} <= set(kinds)


def test_every_field_and_every_code_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for name in StreamForm.model_fields:
        assert f"`{name}`" in text
    for code in re.findall(r"^\| `([a-z-]+)`(?:, `([a-z-]+)`)* \|.*\| 1\d\d\d \|$", text, re.MULTILINE):
        assert set(code) - {""} <= set(KINDS)


def test_the_json_on_the_page_is_json() -> None:
    found = re.findall(r"^```json\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(found) >= 6
    assert {"emotion", "speech.started", "speech.ended", "recognition", "error"} <= {
        json.loads(each).get("type") for each in found
    }


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.is_file(), reason="no Chromium")
def test_the_client_in_the_browser_runs(tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api")
    (tmp_path / "talk.wav").write_bytes(speech(8.0))
    microphone = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'talk.wav'}",
    ]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with live(load=None, token=TOKEN) as url, api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*microphone, *sandbox])
        try:
            page = browser.new_page(bypass_csp=True)  # any page of the service; this one forbids scripts
            page.goto(f"{url}/v1/health")
            script = block("js", "// listen(show)").replace(HERE, url.replace("http", "ws", 1))
            script = script.replace('["emotrace"]', f'["emotrace", "emotrace.key.{TOKEN}"]')
            worklet = f"URL.createObjectURL(new Blob([{json.dumps(block('js', '// pcm.js'))}], {KIND}))"
            script = script.replace('"pcm.js"', worklet)
            page.evaluate(
                script + "; window.events = []; listen((e) => events.push(e)).then((f) => stop = f)"
            )
            wait_for(lambda: kinds_of(page).count("emotion") >= 3, "readings come")
            page.evaluate("stop()")
            wait_for(lambda: "recognition" in kinds_of(page), "the result comes")
        finally:
            browser.close()


def kinds_of(page: Any) -> list[str]:
    """Types of the events so far."""
    page.wait_for_timeout(50)
    found: list[dict[str, Any]] = page.evaluate("window.events")
    assert not [event for event in found if event["type"] == "error"], found
    return [event["type"] for event in found]
