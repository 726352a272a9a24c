from __future__ import annotations

import re
from pathlib import Path

import pytest

import emotrace.webui
from emotrace.errors import EmotraceError
from emotrace.labels import EMOTIONS
from emotrace.models import registry
from emotrace.postprocess.presets import BUILTIN
from emotrace.server.problems import KINDS, RequestError
from emotrace.webui.card_texts import in_language
from emotrace.webui.controls import CHANNELS, GRANULARITIES, SMOOTHERS
from emotrace.webui.languages import LANGUAGES, language_of
from emotrace.webui.texts import TEXTS, Words

FOLDER = Path(emotrace.webui.__file__).parent


def test_both_languages_say_everything_with_the_same_places() -> None:
    for key, texts in TEXTS.items():
        assert len(texts) == len(LANGUAGES) and all(text.strip() for text in texts), key
        places = [sorted(re.findall(r"\{\d\}", text)) for text in texts]
        assert places[0] == places[1], key


def test_chinese_is_chinese_and_english_is_not() -> None:
    for key, (english, _) in TEXTS.items():
        if key != "switch":
            assert not re.search(r"[\u4e00-\u9fff]", english), key
    same = {key for key, (english, chinese) in TEXTS.items() if english == chinese}
    assert same <= {"granularity"}


def test_every_choice_has_a_name() -> None:
    for words in map(Words, LANGUAGES):
        for each in GRANULARITIES:
            assert words(f"granularity.{each}")
        for each in SMOOTHERS:
            assert words(f"smooth.{each}")
        for each in CHANNELS:
            assert words(f"channel.{each}")
        assert all(words(f"preset.{name}") for name in BUILTIN)
        assert len({words.label(each.name) for each in EMOTIONS}) == 9


def test_no_text_is_left_over() -> None:
    used = "".join(
        path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py") if path.name != "texts.py"
    )
    used += (FOLDER / "texts.py").read_text(encoding="utf-8").partition("class Words")[2]
    script = "".join(path.read_text(encoding="utf-8") for path in (FOLDER / "static").glob("*.js"))
    made = (
        "name.",
        "sample.",
        "channel.",
        "batch.",
        "granularity.",
        "smooth.",
        "preset.",
        "error.",
        "state.",
        "about.model.",
        "format.",
        "about.kept.",
    )
    for key in TEXTS:
        spoken = f'"{key}"' in used or f"'{key}'" in used or key.startswith(made) or key.endswith(".short")
        assert spoken or (key.startswith("live.") and key.removeprefix("live.") in script), key


def test_the_built_in_model_s_card_is_told_in_chinese() -> None:
    card = registry.find("compact").card
    for text in (card.intended_use, card.not_for, card.training_data):
        assert text and re.search(r"[\u4e00-\u9fff]", in_language(text, "zh")), text
        assert in_language(text, "en") == text


@pytest.mark.parametrize(
    "code", [code for code, kind in KINDS.items() if kind.status in (401, 403, 422, 429)]
)
def test_what_the_user_can_mend_is_said_in_both_languages(code: str) -> None:
    odd = {"cross-origin", "label", "key-reused"}  # which no page can bring about
    for words in map(Words, LANGUAGES):
        said = words.error(RequestError(code, "/secret/path"))
        assert "/secret" not in said
        assert code in odd or said != words("error.other")


def test_errors_tell_nothing_of_the_inside() -> None:
    for words in map(Words, LANGUAGES):
        assert words.error(ValueError("/secret/path")) == words("error.other")
        assert words.error(EmotraceError("/secret/path")) == words("error.other")


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("zh-TW", "zh"),
        ("en-US,zh;q=0.9", "en"),
        ("de,fr", "en"),
        ("", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=x", "en"),
        (",;,;q=", "en"),
        ("zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh"),
    ],
)
def test_language_of_the_browser(accepted: str, expected: str) -> None:
    assert language_of({}, {}, accepted) == expected
    assert language_of({"lang": "nonsense"}, {"emotrace_language": "?"}, accepted) == expected
