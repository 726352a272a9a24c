"""Ways to use the pages: their addresses, keys alone, printing, one side of a call."""

from __future__ import annotations

import re
import wave
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.webui.pages import asked, visit

LEFT = "signal is aborted|Connection errored out"
"""What Gradio says when a page is left while it is told something."""

DARKNESS = """it => Math.max(...getComputedStyle(it).color.match(/[0-9.]+/g).slice(0, 3)) / 255"""
"""How light the letters of an element are."""


@pytest.mark.slow
def test_each_tab_has_an_address(chromium: Any, url: str) -> None:
    with visit(chromium, url) as seen:

        def shown(name: str) -> None:
            seen.page.get_by_role("tab", name=name, selected=True).wait_for()

        for number in (3, 4):
            seen.tab(number)
        assert seen.page.url == f"{url}/#about"
        seen.page.go_back()
        shown("History")
        seen.page.reload()
        shown("History")
        seen.page.locator("a.em-switch").click()
        shown("历史")
        seen.wrong = [each for each in seen.wrong if not re.search(LEFT, each)]


@pytest.mark.slow
def test_keys_are_enough(chromium: Any, url: str) -> None:
    with visit(chromium, url) as seen:
        keys, lists = seen.page.keyboard, seen.page.locator("ul[role=listbox]")
        seen.page.locator("#em-sample-sentence").focus()
        keys.press("Enter")
        seen.page.wait_for_selector("#em-analyse:not([disabled])")
        seen.page.get_by_label("Smoothing over time").first.focus()
        lists.wait_for()
        for key in ("ArrowDown", "ArrowDown", "Enter"):
            seen.page.wait_for_timeout(200)  # as a person
            keys.press(key)
        lists.wait_for(state="detached")
        assert seen.page.get_by_label("Smoothing over time").first.input_value() == "Moving average"
        seen.page.get_by_label("Channel").first.focus()
        lists.wait_for()
        for _ in range(2):
            keys.press("Tab")
        lists.wait_for(state="detached")
        assert seen.page.evaluate("document.activeElement.id") == "em-analyse"
        keys.press("Enter")
        seen.page.wait_for_selector("#em-shown .em-result")


@pytest.mark.slow
def test_a_result_is_printed_alone_and_readably(chromium: Any, url: str, talk: Path) -> None:
    with visit(chromium, url, color_scheme="dark") as seen:
        seen.analyse(talk)
        seen.page.emulate_media(media="print")
        for gone in ("#em-analyse", "#em-audio", ".em-switch", ".em-chip", "audio"):
            assert not seen.page.locator(gone).first.is_visible(), gone
        for stays in (".em-name", ".em-top li", ".em-bar-name", ".em-notes li, .em-fine"):
            assert seen.page.locator(f"#em-shown :is({stays})").first.evaluate(DARKNESS) < 0.5, stays


@pytest.mark.slow
def test_one_channel_of_a_call_is_taken(chromium: Any, url: str, talk: Path, tmp_path: Path) -> None:
    call = tmp_path / "call.wav"
    with wave.open(str(talk)) as one, wave.open(str(call), "wb") as both:
        sound = np.frombuffer(one.readframes(one.getnframes()), np.int16)
        both.setparams((2, 2, one.getframerate(), 0, "NONE", "not compressed"))
        both.writeframes(np.stack([0 * sound, sound], axis=1).tobytes())
    with visit(chromium, url, "zh") as seen:
        seen.page.get_by_label("声道").first.click()
        seen.page.get_by_role("option", name="第二声道（右）").click()
        seen.analyse(call)
        seen.page.locator("#em-sample-sentence").click()  # which has one
        seen.page.wait_for_timeout(500)
        seen.page.locator("#em-analyse:not([disabled])").click()
        seen.page.locator("#em-shown .em-error", has_text="录音没有该声道").wait_for()
    told, row = asked(url, talk), httpx2.get(f"{url}/v1/recognitions", params={"text": "call"}).json()
    assert [each["emotion"] for each in row["recognitions"]] == [told["emotion"]]
