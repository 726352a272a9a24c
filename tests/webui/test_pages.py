from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emotrace.labels import emotion
from emotrace.outputs.formats import FORMATS
from emotrace.sample import sample_path
from tests.webui.pages import Visit, asked, served, visit

TABS = {
    "en": ["Analyse", "Live", "Batch", "History", "About"],
    "zh": ["分析", "实时", "批量", "历史", "说明"],
}


def test_upload_shows_what_the_api_says_and_gives_it_in_every_form(
    chromium: Any, url: str, talk: Path
) -> None:
    told = asked(url, talk)
    with visit(chromium, url) as seen:
        assert seen.page.get_by_role("tab").all_inner_texts() == TABS["en"]
        seen.page.get_by_role("radio", name="Over time").check()
        seen.analyse(talk)
        shown = seen.page.locator("#em-shown")
        assert shown.locator(".em-name").get_attribute("data-emotion") == told["emotion"]
        assert f"{told['confidence'] * 100:.0f} %" in shown.locator(".em-sure").inner_text()
        assert shown.locator(".em-top li").count() == 3
        assert shown.locator(".em-bars li").count() == 9
        assert shown.locator(".em-wave path").count() >= 1
        assert shown.locator(".em-badge").count() == 1
        reasons = [reason["sentence"] for reason in told["verdict"]["reasons"]]
        said = shown.locator(".em-notes").inner_text().lower() if reasons else ""
        assert all(sentence.lower() in said for sentence in reasons)
        links = [link.get_attribute("href") for link in shown.locator(".em-chip").all()]
        got = {str(link).rpartition("/")[2].partition("?")[0]: _fetched(seen, str(link)) for link in links}
    assert set(FORMATS) - {"audformat"} <= set(got)
    assert got["png"].startswith(b"\x89PNG") and b"<svg" in got["svg"] and got["sound"][:4] == b"RIFF"
    with zipfile.ZipFile(io.BytesIO(got["folder"])) as folder:
        names = {Path(name).name for name in folder.namelist() if not name.endswith("/")}
    assert names == {"processed_audio.wav", "result.json", "frames.json"}


def _fetched(seen: Visit, address: str) -> bytes:
    answer = seen.context.request.get(seen.url + address)
    assert answer.ok, f"{answer.status} {address}"
    assert answer.headers["content-disposition"].startswith("attachment")
    return bytes(answer.body())


def test_batch_history_and_feedback_in_chinese(chromium: Any, url: str, talk: Path, tmp_path: Path) -> None:
    second, broken = tmp_path / "第二 $ & <b>.wav", tmp_path / "broken.wav"
    second.write_bytes(talk.read_bytes())
    broken.write_bytes(b"no audio at all")
    told = emotion(asked(url, talk)["emotion"])
    with visit(chromium, url, "zh") as seen:
        assert seen.page.get_by_role("tab").all_inner_texts() == TABS["zh"]
        assert seen.page.evaluate("document.documentElement.lang") == "zh-CN"
        seen.tab(2)
        seen.upload(talk, second, broken, into="#em-files")
        seen.page.locator("#em-batch:not([disabled])").click()
        seen.page.wait_for_selector("#em-batch-shown .em-done")
        shown = seen.page.locator("#em-batch-shown")
        assert "已分析 2 个，失败 1 个" in shown.inner_text()
        rows = [row.inner_text() for row in shown.locator("tbody tr").all()]
        assert told.zh in rows[0] and told.zh in rows[1] and "无法作为音频读取" in rows[2]
        together = _fetched(seen, str(shown.locator(".em-chip").first.get_attribute("href")))
        with zipfile.ZipFile(io.BytesIO(together)) as packed:
            assert sum(name.endswith("result.json") for name in packed.namelist()) == 2
            assert packed.read("results.csv").count(b"\n") == 4

        seen.tab(3)
        seen.page.wait_for_selector("#em-list label")
        seen.page.locator("#em-search textarea, #em-search input").first.fill("第二")
        seen.page.locator("#em-find").click()
        seen.page.wait_for_function("document.querySelectorAll('#em-list label').length === 1")
        seen.page.locator("#em-list label").click()
        seen.page.wait_for_selector("#em-history-shown .em-result")
        assert seen.page.locator("#em-history-shown .em-name").inner_text() == told.zh
        seen.page.locator("#em-feedback input").first.click()
        seen.page.get_by_role("option", name="惊讶").click()
        seen.page.locator("#em-feedback textarea").fill("听起来很惊讶")
        seen.page.locator("#em-send").click()
        seen.page.wait_for_selector("#em-answer .em-done")
    kept = httpx2.get(f"{url}/v1/recognitions", params={"text": "第二"}).json()["recognitions"]
    assert [(row["label"], row["note"]) for row in kept] == [("surprised", "听起来很惊讶")]


@pytest.mark.slow
def test_a_recording_is_made_and_recognised(chromium: Any, url: str) -> None:
    with visit(chromium, url, "zh", permissions=["microphone"]) as seen:
        seen.page.locator("#em-audio").locator(".source-selection button").nth(1).click()
        seen.page.locator("#em-audio .record-button").click()
        seen.page.wait_for_timeout(3000)
        seen.page.locator("#em-audio .stop-button").first.click()
        seen.page.locator("#em-analyse:not([disabled])").click()
        seen.page.wait_for_selector("#em-shown .em-result")


@pytest.mark.slow
def test_people_at_the_same_time_see_their_own(chromium: Any, url: str, talk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(talk.read_bytes())
    with visit(chromium, url) as one, visit(chromium, url, "zh") as two:
        for seen, path in ((one, talk), (two, other)):
            seen.upload(path)
            seen.page.wait_for_selector("#em-analyse:not([disabled])")
        for seen in (one, two):
            seen.page.locator("#em-analyse").click()
        for seen, path in ((one, talk), (two, other)):
            seen.page.wait_for_selector("#em-shown .em-result")
            assert seen.page.locator("#em-shown .em-source").inner_text() == path.name


@pytest.mark.slow
def test_deleting_asks_twice(chromium: Any, url: str, talk: Path, tmp_path: Path) -> None:
    path = tmp_path / "to be deleted.wav"
    path.write_bytes(talk.read_bytes())
    asked(url, path)
    with visit(chromium, url) as seen:
        seen.tab(3)
        seen.page.locator("#em-list label", has_text="to be deleted").click()
        seen.page.wait_for_selector("#em-history-shown .em-result")
        seen.page.locator("#em-delete").click()
        seen.page.locator("#em-sure").click()
        seen.page.wait_for_selector("#em-answer .em-done")
    assert httpx2.get(f"{url}/v1/recognitions", params={"text": "to be deleted"}).json()["recognitions"] == []


@pytest.mark.slow
def test_what_is_open_is_judged_also_when_the_list_is_new(
    chromium: Any, url: str, talk: Path, tmp_path: Path
) -> None:
    path = tmp_path / "to be judged.wav"
    path.write_bytes(talk.read_bytes())
    asked(url, path)
    with visit(chromium, url) as seen:
        seen.tab(3)
        line = seen.page.locator("#em-list label", has_text="to be judged")
        line.click()
        seen.page.wait_for_selector("#em-history-shown .em-result")
        assert path.name in seen.page.locator("#em-told").text_content()
        seen.tab(4)
        seen.page.wait_for_selector("#em-about .em-card")
        seen.tab(3)
        seen.page.wait_for_function("!document.querySelector('#em-list input:checked')")
        seen.page.locator("#em-feedback textarea").fill("a mild voice")
        seen.page.locator("#em-feedback input").first.click()
        seen.page.get_by_role("option", name="happy").click()
        seen.page.locator("#em-send").click()
        seen.page.wait_for_selector("#em-answer .em-done")
        line.get_by_text("corrected: happy").wait_for()
        seen.page.locator("#em-review input").check()
        seen.page.wait_for_selector("#em-search :is(input, textarea)[disabled]")
    kept = httpx2.get(f"{url}/v1/recognitions", params={"text": "to be judged"}).json()["recognitions"]
    assert [(row["label"], row["note"]) for row in kept] == [("happy", "a mild voice")]


@pytest.mark.slow
def test_a_phone_is_scrolled_to_what_was_chosen(chromium: Any, url: str, talk: Path) -> None:
    for _ in range(12):
        asked(url, talk)
    with visit(chromium, url, width=390) as seen:
        seen.tab(3)
        seen.page.locator("#em-list label").first.click()
        seen.page.wait_for_selector("#em-history-shown .em-main[data-told]")
        top = seen.page.locator("#em-history-shown .em-main").evaluate("it => it.getBoundingClientRect().top")
        assert -1 < top < 0.8 * 900


@pytest.mark.slow
def test_pages_say_that_the_server_stops_and_load_again_when_it_is_back(
    chromium: Any, talk: Path, tmp_path: Path
) -> None:
    with served(tmp_path) as url:
        seen = Visit(chromium, url, "zh", permissions=["microphone"])
        seen.upload(talk)
        seen.page.wait_for_selector("#em-analyse:not([disabled])")
        live = seen.context.new_page()
        live.goto(url)
        live.get_by_role("tab").nth(1).click()
        live.locator("#em-live-start").click()
        live.wait_for_function("document.querySelector('#em-live-emotion').dataset.emotion")
    live.locator("#em-live-status", has_text="服务器正在停止").wait_for()
    live.locator("#em-live-start").click()
    live.locator("#em-live-status", has_text="连接已断开").wait_for()
    seen.page.locator("#em-analyse").click()
    seen.page.locator("[data-testid=toast-text]", has_text="服务器恢复后页面会自动重新加载").wait_for()
    with served(tmp_path, "--port", url.rpartition(":")[2]):
        seen.page.wait_for_selector("#em-analyse[disabled]")  # of a page that was loaded again
        seen.analyse(talk)
    seen.context.close()


def test_live_follows_the_microphone(chromium: Any, url: str) -> None:
    with visit(chromium, url, permissions=["microphone"]) as seen:
        seen.tab(1)
        seen.page.locator("#em-live-start").click()
        seen.page.wait_for_function("document.querySelector('#em-live-emotion').dataset.emotion")
        emotion(str(seen.page.locator("#em-live-emotion").get_attribute("data-emotion")))
        seen.page.wait_for_timeout(1500)
        seen.page.locator("#em-live-stop").click()
        seen.page.wait_for_selector("#em-live-segments li")
        seen.page.wait_for_selector("#em-live-start:not([disabled])")
        assert "Stopped after" in seen.page.locator("#em-live-status").inner_text()
        pen = "document.querySelector('#em-live-curve').getContext('2d')"
        assert seen.page.evaluate(f"{pen}.getImageData(0, 0, 600, 300).data.some(value => value > 0)")


@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "zh"])
def test_every_page_fits_a_phone(chromium: Any, url: str, talk: Path, language: str) -> None:
    with visit(chromium, url, language, width=390) as seen:
        seen.analyse(talk)
        widths = [seen.overflow()]
        for number, found in ((1, "#em-live"), (2, "#em-files"), (3, "#em-list"), (4, "#em-about .em-card")):
            seen.tab(number)
            seen.page.wait_for_selector(found)
            widths.append(seen.overflow())
        assert widths == [0] * 5
        about = seen.page.locator("#em-about").inner_text()
        assert ("Intended use" if language == "en" else "预期用途") in about and "CC-BY-NC-SA-4.0" in about


@pytest.mark.slow
def test_language_is_switched_and_remembered(chromium: Any, url: str) -> None:
    with visit(chromium, url, "en") as seen:
        seen.page.locator(".em-switch").click()
        seen.page.wait_for_selector("text=开始分析")
        seen.page.goto(url)
        seen.page.wait_for_selector("#em-analyse")
        assert seen.page.get_by_role("tab").all_inner_texts() == TABS["zh"]
        assert seen.page.url == f"{url}/"


def test_example_and_errors_in_one_sentence(chromium: Any, url: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF but nothing else")
    with visit(chromium, url) as seen:
        seen.upload(broken)
        seen.page.locator("#em-analyse:not([disabled])").click()
        seen.page.wait_for_selector("#em-shown .em-error")
        said = seen.page.locator("#em-shown").inner_text()
        assert said == "The file cannot be read as audio: send a recording."
        seen.wrong.remove("Waveform load error: MediaError")  # the browser cannot play it, either
        seen.page.reload()
        for name in ("sentence.wav", sample_path().name):
            seen.page.locator(f"#em-sample-{Path(name).stem}").click()
            seen.page.wait_for_timeout(1500)  # until the control has it
            seen.page.locator("#em-analyse:not([disabled])").click()
            seen.page.locator("#em-shown .em-source", has_text=name).wait_for()
        assert seen.page.locator("#em-shown .em-timeline .em-legend li").count() > 1


def test_a_page_that_is_older_than_the_server_says_so_in_its_language(
    chromium: Any, url: str, talk: Path
) -> None:
    def older(route: Any) -> None:
        route.continue_(post_data=route.request.post_data.replace('"utterance"', '"of-another-version"'))

    with visit(chromium, url, "zh") as seen:
        seen.page.route("**/queue/join*", older)
        seen.upload(talk)
        seen.page.locator("#em-analyse:not([disabled])").click()
        toast = seen.page.locator("[data-testid=toast-text]").first
        toast.wait_for()
        seen.page.wait_for_function("document.querySelector('[data-testid=toast-text]').dataset.code")
        assert toast.inner_text() == "内容已不存在：请重新加载页面。"
        assert "choices" not in seen.page.locator("body").inner_text()


@pytest.mark.slow
def test_too_large_a_file_is_refused_in_the_page_s_language(
    chromium: Any, talk: Path, tmp_path: Path
) -> None:
    with served(tmp_path, "--max-bytes", "50000") as url, visit(chromium, url, "zh") as seen:
        seen.upload(talk)
        toast = seen.page.locator("[data-testid=toast-text]").first
        toast.wait_for()
        seen.page.wait_for_function("document.querySelector('[data-testid=toast-text]').dataset.code")
        assert toast.inner_text() == "录音超过本服务器的大小或时长限制：请裁剪后再试。"
        assert seen.page.locator("#em-analyse[disabled]").count() == 1
