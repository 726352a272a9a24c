from __future__ import annotations

from string import Formatter

import numpy as np
import pytest

from emotrace.cli.texts import TEXTS, Language, label_text, language_of, reason_text, warning_text
from emotrace.labels import EMOTIONS
from emotrace.models.encoder import FakeEncoder
from emotrace.postprocess.rule_table import RULES
from emotrace.recognition import Recognizer


def fields(text: str) -> list[str | None]:
    return [field for _, field, _, _ in Formatter().parse(text)]


def test_both_languages_say_the_same() -> None:
    assert TEXTS[Language.en].keys() == TEXTS[Language.zh].keys()
    for key, text in TEXTS[Language.en].items():
        wanted = [f for f in fields(text) if f is not None]
        assert [f for f in fields(TEXTS[Language.zh][key]) if f is not None] == wanted


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN", "LC_MESSAGES": "de_DE"}, "en"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_language_of_the_user(variables: dict[str, str], language: str) -> None:
    assert language_of(variables).value == language


def test_labels_in_both_languages() -> None:
    for emotion in EMOTIONS:
        assert label_text(emotion.name, Language.zh) == emotion.zh
        assert label_text(emotion.name, Language.en) == emotion.name


def test_every_warning_about_a_signal_is_translated() -> None:
    sound = np.zeros(8000, np.float32)
    sound[:2000] = 100.0
    result = Recognizer(encoder=FakeEncoder()).recognize((sound, 16000))
    assert len(result.warnings) == 2
    for warning in result.warnings:
        assert warning_text(warning, Language.en) == warning
        chinese = warning_text(warning, Language.zh)
        assert not any(word.isalpha() and word.isascii() for word in chinese.replace("dB", "").split())


@pytest.mark.parametrize(
    "warning",
    [
        "1.2 s of 3.0 s are missing: the file is cut off or damaged",
        "the file is cut off after 4.5 s of sound; 1 part is damaged and could not be decoded",
        "7 parts are damaged and could not be decoded",
    ],
)
def test_every_warning_about_a_file_is_translated(warning: str) -> None:
    chinese = warning_text(warning, Language.zh)
    assert not any(c.isascii() and c.isalpha() for c in chinese)
    assert [c for c in chinese if c.isdigit()]


def test_every_rule_speaks_both_languages() -> None:
    for rule in RULES:
        reason = rule.reason(0.5, 0.25, "flag")
        assert reason_text(reason, Language.en) == (reason.sentence, reason.advice)
        assert reason_text(reason, Language.zh) == (reason.sentence_zh, reason.advice_zh)


def test_an_unknown_warning_stays_as_it_is() -> None:
    assert warning_text("something new", Language.zh) == "something new"
