"""The words of a picture in English or Chinese, in letters that there is a font for."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, Literal, TypeAlias

from emotrace.labels import emotion
from emotrace.results import Verdict

Language: TypeAlias = Literal["en", "zh"]

BASE = "DejaVu Sans"
"""Comes with matplotlib."""

CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans SC", "Source Han Sans SC"),
    *(
        "Source Han Sans CN",
        "WenQuanYi Micro Hei",
        "WenQuanYi Zen Hei",
        "Droid Sans Fallback",
        "AR PL UMing CN",
    ),
    *("PingFang SC", "Hiragino Sans GB", "Heiti SC", "STHeiti", "Microsoft YaHei", "SimHei", "SimSun"),
    "Arial Unicode MS",
)
"""Families with Chinese letters, by the name of the first font in their files."""

_FILES = ("notosanscjk", "notosanssc", "sourcehansans", "wqy", "droidsansfallback", "uming")

TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "sound": "sound",
        "emotion": "emotion",
        "probability": "probability",
        "confidence": "confidence",
        "overall": "overall: {0}",
        "long": "{0} long",
        "model": "model {0}",
        "smoothed": "smoothed: {0}",
        "no speech": "no speech",
        "change": "change",
        "segment": "segment",
        "clipped": "clipped",
        "limit": "limit {0} %",
        "keep": "keep",
        "flag": "flag",
        "drop": "drop",
    },
    "zh": {
        "sound": "声音",
        "emotion": "情绪",
        "probability": "概率",
        "confidence": "置信度",
        "overall": "整体：{0}",
        "long": "时长 {0}",
        "model": "模型 {0}",
        "smoothed": "已平滑：{0}",
        "no speech": "无语音",
        "change": "变化点",
        "segment": "语段",
        "clipped": "削波",
        "limit": "下限 {0} %",
        "keep": "保留",
        "flag": "存疑",
        "drop": "弃用",
    },
}
"""Every text, by language; both have the same keys."""

SHORT = 4
"""Letters of an emotion's English name where it does not fit in full."""


class Lettering:
    """Says things in a language, or in English if there is no font for it.

    Args:
        language: of the words.
        name: a text that will be written, too, in whatever letters.

    Attributes:
        chinese: whether the words are Chinese.
        families: fonts in the order in which a letter is looked for in them.
    """

    def __init__(self, language: Language, name: str = "") -> None:
        family = _chinese_family(search=language == "zh" or not name.isascii())
        self.chinese = language == "zh" and family is not None
        self.families = [BASE] if family is None else [BASE, family]
        self._texts = TEXTS["zh" if self.chinese else "en"]
        self._fonts = [_font(family) for family in self.families]

    def say(self, key: str, *values: str) -> str:
        """A text with its values."""
        return self._texts[key].format(*values)

    def label(self, name: str, short: bool = False) -> str:
        """Name of an emotion."""
        if self.chinese:
            return emotion(name).zh[:1] if short else emotion(name).zh
        return name[:SHORT] if short else name

    def reasons(self, verdict: Verdict) -> str:
        """Why a result is not simply kept: the codes, in Chinese the beginnings of the sentences."""
        if not self.chinese:
            return ", ".join(verdict.codes)
        return "、".join(reason.sentence_zh.split("：")[0].split("，")[0] for reason in verdict.reasons)

    def drawable(self, text: str, cells: int) -> str:
        """A text on one line, with an escape for every letter that no font has, shortened in the middle.

        Args:
            text: any.
            cells: widths of a Latin letter that there is room for.
        """
        letters = [c if self._has(c) else c.encode("unicode_escape").decode() for c in text]
        if sum(map(width, letters)) <= cells:
            return "".join(letters)
        head, tail = _fitting(letters, cells * 2 // 3), _fitting(letters[::-1], cells // 4)
        return "".join(head) + "..." + "".join(tail[::-1])

    def _has(self, letter: str) -> bool:
        return letter.isprintable() and any(font.get_char_index(ord(letter)) for font in self._fonts)


def width(text: str) -> int:
    """Widths of a Latin letter that a text takes.

    >>> width("abc"), width("情绪")
    (3, 4)
    """
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _fitting(letters: list[str], cells: int) -> list[str]:
    """As many of the first letters as there is room for."""
    used, count = 0, 0
    for letter in letters:
        used += width(letter)
        if used > cells:
            break
        count += 1
    return letters[:count]


def _chinese_family(search: bool) -> str | None:
    """A family with Chinese letters; matplotlib may not know one that was installed after its first use."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    def known() -> str | None:
        there = {font.name for font in fontManager.ttflist}
        return next((name for name in CHINESE if name in there), None)

    if known() is None and search:
        for path in findSystemFonts():
            if Path(path).name.lower().replace("-", "").startswith(_FILES):
                fontManager.addfont(path)
    return known()


def _font(family: str) -> Any:
    from matplotlib.font_manager import FontProperties, fontManager, get_font

    return get_font(fontManager.findfont(FontProperties(family=family)))
