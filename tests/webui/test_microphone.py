"""Microphones that cannot be had; each needs a browser of its own."""

from __future__ import annotations

import pytest

from tests.webui.pages import ALLOWED, DENIED, DEVICE, Visit, browser


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "media", "said"),
    [
        ("en", (DENIED, DEVICE), "allow it beside the page's address"),
        ("zh", (DENIED, DEVICE), "请在地址栏旁允许后重试"),
        ("en", (ALLOWED,), "No microphone was found: connect one"),
        ("zh", (ALLOWED,), "未找到麦克风：请连接麦克风"),
        ("en", None, "ask for an https address, or upload a recording"),
        ("zh", None, "请改用 https 地址，或上传录音"),
    ],
)
def test_a_microphone_that_cannot_be_had_is_explained_where_one_records(
    url: str, language: str, media: tuple[str, ...] | None, said: str
) -> None:
    with browser(media=media or (ALLOWED, DEVICE)) as chromium:
        seen = Visit(chromium, url, language)
        if media is None:  # as on a page that came over the network without https
            seen.context.add_init_script(
                "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"
            )
            seen.page.reload()
        seen.page.locator("#em-audio").locator(".source-selection button").nth(1).click()
        seen.page.locator("#em-audio .record-button").click()
        seen.page.locator("#em-unheard", has_text=said).wait_for()
        seen.tab(1)
        seen.page.locator("#em-live-start").click()
        seen.page.locator("#em-live-status.em-bad", has_text=said).wait_for()
        assert all("microphone" in each for each in seen.wrong)
        seen.context.close()
