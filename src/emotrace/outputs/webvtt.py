"""WebVTT: the emotions as captions, for players and web pages."""

from __future__ import annotations

from emotrace.labels import emotion
from emotrace.outputs.annotation import Annotation, Interval


def webvtt(annotation: Annotation, language: str = "en") -> str:
    """A caption per interval: emoji, emotion and confidence.

    Args:
        annotation: of the recording.
        language: ``"en"`` or ``"zh"``.

    >>> sad = Interval(500, 3_601_750, "sad", 0.75, {})
    >>> print(webvtt(Annotation("a.wav", "a", 2000, (sad,), (), (), (), "", "")), end="")
    WEBVTT
    <BLANKLINE>
    00:00:00.500 --> 01:00:01.750
    😢 <c.sad>sad</c> 75 %
    """
    cues = "".join(
        f"\n{_clock(each.start)} --> {_clock(each.end)}\n{_text(each, language)}\n"
        for each in annotation.emotions
    )
    return f"WEBVTT\n{cues}"


def _text(interval: Interval, language: str) -> str:
    heard = emotion(interval.label)
    name = heard.zh if language == "zh" else heard.name
    return f"{heard.emoji} <c.{heard.name}>{name}</c> {interval.confidence:.0%}".replace("%", " %")


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
