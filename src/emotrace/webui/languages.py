"""Which of the two languages a page speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Language: TypeAlias = Literal["en", "zh"]

LANGUAGES: tuple[Language, ...] = get_args(Language)

COOKIE = "emotrace_language"


def language_of(query: Mapping[str, str], cookies: Mapping[str, str], accepted: str) -> Language:
    """The language of a page: the one that was switched to, else the browser's, else English.

    Args:
        query: of the page's address; ``lang`` switches.
        cookies: remember the switch.
        accepted: the header Accept-Language.

    >>> language_of({}, {}, "fr;q=0.9, zh-CN;q=0.8, en;q=0.7")
    'zh'
    >>> language_of({"lang": "en"}, {"emotrace_language": "zh"}, "zh")
    'en'
    """
    for chosen in (query.get("lang"), cookies.get(COOKIE)):
        for language in LANGUAGES:
            if chosen == language:
                return language
    for tag in _by_preference(accepted):
        for language in LANGUAGES:
            if tag.partition("-")[0] == language:
                return language
    return "en"


def _by_preference(accepted: str) -> list[str]:
    found: list[tuple[float, str]] = []
    for part in accepted.lower().split(",")[:50]:
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            weight = 0.0
        found.append((weight, tag.strip()))
    return [tag for weight, tag in sorted(found, key=lambda each: -each[0]) if weight > 0]
