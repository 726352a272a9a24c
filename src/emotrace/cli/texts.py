"""The words of the tables for people, in English and Chinese."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

from emotrace.labels import emotion

if TYPE_CHECKING:
    from emotrace.results import Reason


class Language(str, Enum):
    """A language of the tables."""

    zh = "zh"
    en = "en"


TEXTS: dict[Language, dict[str, str]] = {
    Language.en: {
        "seconds": "{0} s",
        "level": "level {0} dB",
        "no level": "digital silence",
        "clipping": "clipped {0} %",
        "silence": "silent {0} %",
        "speech": "speech {0} of {1}",
        "model": "model {0}",
        "reference given": "compared with the given clips of the speaker",
        "reference recording": "each stretch compared with the speech before it",
        "reference batch": "compared with all inputs, as one speaker",
        "shares": "share of the speech",
        "segments": "segments",
        "timeline": "over time",
        "no speech": "no speech",
        "more": "... {0} more; --granularity segment shows all",
        "smoothing": "smoothed: {0}",
        "snr": "speech {0} dB over noise",
        "bandwidth": "up to {0} kHz",
        "keep": "keep",
        "flag": "flag: look at it before use",
        "drop": "drop: not to be relied on",
    },
    Language.zh: {
        "seconds": "{0} 秒",
        "level": "电平 {0} dB",
        "no level": "数字静音",
        "clipping": "削波 {0} %",
        "silence": "静音 {0} %",
        "speech": "语音 {0} / {1}",
        "model": "模型 {0}",
        "reference given": "已与给定的说话人片段比较",
        "reference recording": "各语段已与其之前的语音比较",
        "reference batch": "已与全部输入比较（同一说话人）",
        "shares": "语音时间占比",
        "segments": "语段",
        "timeline": "随时间变化",
        "no speech": "无语音",
        "more": "……另有 {0} 段；用 --granularity segment 显示全部",
        "smoothing": "已平滑：{0}",
        "snr": "信噪比 {0} dB",
        "bandwidth": "带宽 {0} kHz",
        "keep": "保留",
        "flag": "存疑：使用前请复核",
        "drop": "弃用：不可依赖",
    },
}
"""Every text, by language; both have the same keys."""


def language_of(environment: Mapping[str, str] = os.environ) -> Language:
    """The language of the user: Chinese if LC_ALL, LC_MESSAGES or LANG, the first that is set, says so.

    >>> language_of({"LANG": "zh_CN.UTF-8"}).value, language_of({"LC_ALL": "C", "LANG": "zh_CN"}).value
    ('zh', 'en')
    """
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    value = next((environment[name] for name in names if environment.get(name)), "")
    return Language.zh if value.lower().startswith("zh") else Language.en


def label_text(label: str, language: Language) -> str:
    """Name of an emotion.

    >>> label_text("sad", Language.zh)
    '悲伤'
    """
    return emotion(label).zh if language is Language.zh else label


def warning_text(warning: str, language: Language) -> str:
    """A warning of the library in a language.

    >>> warning_text("DC offset of +0.100", Language.zh)
    '直流偏移 +0.100'
    """
    if language is Language.en:
        return warning
    from emotrace.outputs.warning_texts import in_chinese

    return in_chinese(warning)


def reason_text(reason: Reason, language: Language) -> tuple[str, str]:
    """Sentence and advice of a reason."""
    if language is Language.zh:
        return reason.sentence_zh, reason.advice_zh
    return reason.sentence, reason.advice
