"""Signing in, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.served import TOKEN
from tests.webui.pages import LOCALES, served

TITLES = {"en": "Sign in", "zh": "登录"}
WRONG = {"en": "This key is wrong", "zh": "密钥错误"}
LEAVE = {"en": "Sign out", "zh": "退出登录"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that asks for a key."""
    with served(tmp_path_factory.mktemp("guarded"), EMOTRACE_TOKEN=TOKEN) as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_person_signs_in_works_and_signs_out(
    language: str, chromium: Any, guarded: str, talk: Path
) -> None:
    context = chromium.new_context(locale=LOCALES[language], viewport={"width": 390, "height": 800})
    context.set_default_timeout(60_000)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{guarded}/?from=test")
    assert page.url.startswith(f"{guarded}/sign-in")
    assert TITLES[language] in page.title()
    page.locator("input[name=key]").fill("not-the-key")
    page.get_by_role("button").click()
    assert WRONG[language] in page.get_by_role("alert").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("input[name=key]").fill(TOKEN)
    page.get_by_role("button").click()
    page.wait_for_selector("#em-analyse")
    page.locator("#em-audio input[type=file]").set_input_files(str(talk))
    page.locator("#em-analyse:not([disabled])").click()
    page.wait_for_selector("#em-shown .em-result")
    assert page.evaluate("document.cookie").find("emotrace=") == -1  # no script reads the session
    page.goto(f"{guarded}/sign-in")
    page.get_by_role("button", name=LEAVE[language]).click()
    page.goto(guarded)
    assert page.url.startswith(f"{guarded}/sign-in")
    context.close()
    assert all(url.startswith((f"{guarded}/", "data:", "blob:")) for url in asked)
    assert "Content Security Policy" not in " ".join(said)


@pytest.mark.slow
def test_who_is_signed_out_meanwhile_is_told_so(chromium: Any, guarded: str) -> None:
    context = chromium.new_context(locale="zh-CN")
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(guarded)
    page.locator("input[name=key]").fill(TOKEN)
    page.get_by_role("button").click()
    page.locator("#em-sample-moods").click()
    page.wait_for_selector("#em-analyse:not([disabled])")
    context.clear_cookies()
    page.locator("#em-analyse").click()
    page.locator("[data-testid=toast-text]", has_text="登录已失效").wait_for()
    page.get_by_role("tab").nth(2).click()
    page.reload()
    page.locator("input[name=key]").fill(TOKEN)
    page.get_by_role("button").click()
    page.get_by_role("tab", name="批量", selected=True).wait_for()  # where one was
    context.close()
