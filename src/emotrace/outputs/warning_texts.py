"""The warnings of the library in Chinese."""

from __future__ import annotations

import re

_WARNINGS: tuple[tuple[str, str], ...] = (
    (
        r"samples reach (?P<a>\d+) times full scale: are they scaled right\?",
        "采样达到满幅的 {a} 倍：缩放是否正确？",
    ),
    (r"DC offset of (?P<a>[+-][\d.]+)", "直流偏移 {a}"),
    (
        r"(?P<a>[\d.]+) s of (?P<b>[\d.]+) s are missing: the file is cut off or damaged",
        "{b} 秒中缺少 {a} 秒：文件被截断或损坏",
    ),
    (r"the file is cut off after (?P<a>[\d.]+) s of sound", "文件在 {a} 秒处被截断"),
    (r"(?P<a>\d+) parts? (?:is|are) damaged and could not be decoded", "有 {a} 处损坏，无法解码"),
)
"""How each is said; others stay English."""


def in_chinese(warning: str) -> str:
    """A warning of the library in Chinese.

    >>> in_chinese("DC offset of +0.100")
    '直流偏移 +0.100'
    """
    return "；".join(_translated(part) for part in warning.split("; "))


def _translated(part: str) -> str:
    for pattern, chinese in _WARNINGS:
        if match := re.fullmatch(pattern, part):
            return chinese.format(**match.groupdict())
    return part
