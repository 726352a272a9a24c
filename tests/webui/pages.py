"""A running service with its pages, and a browser that looks at them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx2
import pytest

from tests.server.served import wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
ALLOWED, DEVICE = "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"
DENIED = "--deny-permission-prompts"

SECONDS = 60
"""That a page may take on a busy machine."""

LOCALES = {"en": "en-GB", "zh": "zh-CN"}


@contextmanager
def served(folder: Path, *options: str, **more: str) -> Iterator[str]:
    """The address of ``emotrace serve`` with the built-in model, in a process of its own."""
    command = [sys.executable, "-c", "from emotrace.cli.app import main; main()", "serve", "--port", "0"]
    known = {name: value for name, value in os.environ.items() if not name.startswith("EMOTRACE_")}
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--data-dir", str(folder), *options], stderr=file, env=known | more
        )
    try:
        wait_for(lambda: "listening" in log.read_text() or process.poll() is not None, "the service starts")
        found = re.search(r"listening on (http://[\d.:]+)", log.read_text())
        assert found, log.read_text()
        yield found[1]
    finally:
        process.terminate()
        try:
            assert process.wait(30) == 0, log.read_text()
        finally:
            process.kill()


@contextmanager
def browser(microphone: Path | None = None, media: tuple[str, ...] = (ALLOWED, DEVICE)) -> Iterator[Any]:
    """A browser; the microphone plays a WAV file, unless ``media`` says that there is none."""
    if CHROMIUM is None:
        _missing("chromium is not installed; apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed; pip install -e '.[dev]'")
    fake = [] if microphone is None else [f"--use-file-for-fake-audio-capture={microphone}"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *media, *fake])
        try:
            yield chromium
        finally:
            chromium.close()


def _missing(reason: str) -> NoReturn:
    """Where everything is checked a missing browser is a failure; elsewhere the test is left out."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def asked(url: str, path: Path) -> dict[str, Any]:
    """What the REST API says of a recording."""
    with path.open("rb") as file:
        answer = httpx2.post(f"{url}/v1/recognitions", files={"audio": (path.name, file)}, timeout=60)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


class Visit:
    """A page that is open, and what went wrong on it.

    Args:
        chromium: the browser.
        url: of the service.
        language: that the browser asks for.
        width: of the window in pixels.
    """

    def __init__(self, chromium: Any, url: str, language: str = "en", width: int = 1280, **more: Any) -> None:
        self.url = url
        self.context = chromium.new_context(
            locale=LOCALES[language], viewport={"width": width, "height": 900}, **more
        )
        self.context.set_default_timeout(SECONDS * 1000)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda said: self._note(said.type == "error", said.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("response", lambda got: self._note(got.status >= 400, f"{got.status} {got.url}"))
        self.page.on("request", lambda asked: self._ask(asked.url))
        self.page.on("websocket", lambda socket: self._ask(socket.url.replace("ws", "http", 1)))
        self.page.goto(url)
        self.page.wait_for_selector("#em-analyse")

    def _ask(self, address: str) -> None:
        self._note(not address.startswith((f"{self.url}/", "data:", "blob:")), f"the page asked {address}")

    def _note(self, wrong: bool, what: str) -> None:
        if wrong:
            self.wrong.append(what)

    def tab(self, number: int) -> None:
        """Open a tab, from 0."""
        self.page.get_by_role("tab").nth(number).click()

    def upload(self, *paths: Path, into: str = "#em-audio") -> None:
        """Choose files."""
        self.page.locator(f"{into} input[type=file]").set_input_files([str(path) for path in paths])

    def analyse(self, path: Path) -> None:
        """Recognise a recording on the first page."""
        self.upload(path)
        self.page.locator("#em-analyse:not([disabled])").click()
        self.page.wait_for_selector("#em-shown .em-result")

    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def close(self) -> None:
        """Close the page; nothing must have gone wrong on it."""
        self.context.close()
        assert not self.wrong, self.wrong


@contextmanager
def visit(chromium: Any, url: str, language: str = "en", width: int = 1280, **more: Any) -> Iterator[Visit]:
    """See :class:`Visit`."""
    opened = Visit(chromium, url, language, width, **more)
    try:
        yield opened
    except BaseException:
        opened.context.close()
        raise
    opened.close()
