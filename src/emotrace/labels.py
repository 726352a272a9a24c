"""The nine emotions: order, names in English and Chinese, emoji, colour, and how to read them.

The order is that of emotion2vec+; every score vector in emotrace follows it.
"""

from __future__ import annotations

from typing import NamedTuple

from emotrace.errors import LabelError


class Emotion(NamedTuple):
    """One of the nine emotions.

    Attributes:
        name: English name, used in every machine-readable output.
        zh: Chinese name.
        emoji: one emoji.
        colour: hex colour, Okabe-Ito's and greys; also to colour-blind eyes any two are 14 or more
            apart (CIE 1976 colour difference).
    """

    name: str
    zh: str
    emoji: str
    colour: str


EMOTIONS: tuple[Emotion, ...] = (
    Emotion("angry", "愤怒", "😠", "#D55E00"),
    Emotion("disgusted", "厌恶", "🤢", "#009E73"),
    Emotion("fearful", "恐惧", "😨", "#CC79A7"),
    Emotion("happy", "快乐", "😊", "#E69F00"),
    Emotion("neutral", "中性", "😐", "#686868"),
    Emotion("other", "其他", "🤔", "#5E4B3C"),
    Emotion("sad", "悲伤", "😢", "#0072B2"),
    Emotion("surprised", "惊讶", "😲", "#56B4E9"),
    Emotion("unknown", "未知", "❓", "#D9D9D9"),
)

LABELS: tuple[str, ...] = tuple(e.name for e in EMOTIONS)
"""The nine English names in order."""

_INDEX: dict[str, int] = {
    **{e.name: i for i, e in enumerate(EMOTIONS)},
    **{e.zh: i for i, e in enumerate(EMOTIONS)},
    "生气": 0,
    "开心": 3,
    "中立": 4,
    "难过": 6,
    "吃惊": 7,
    "<unk>": 8,
}


def label_index(text: str) -> int:
    """Index of an emotion, read in English, Chinese or FunASR's ``开心/happy`` form, in any case.

    Args:
        text: the label, for example ``"Happy"``, ``"开心"``, ``"开心/happy"`` or ``"<unk>"``.

    Returns:
        Index into :data:`LABELS`, 0 to 8.

    Raises:
        LabelError: the text names none of the nine emotions, or two different ones.

    >>> label_index("开心/happy"), label_index("ANGRY"), label_index("<unk>")
    (3, 0, 8)
    """
    found = {_INDEX.get(part.strip().lower()) for part in text.split("/")}
    index = found.pop() if len(found) == 1 else None
    if index is None:
        names = ", ".join(LABELS)
        raise LabelError(f"{text!r} is not an emotion label; expected one of {names}, or its Chinese name")
    return index


def emotion(text: str) -> Emotion:
    """The :class:`Emotion` that a label names; see :func:`label_index`.

    >>> emotion("难过").name
    'sad'
    """
    return EMOTIONS[label_index(text)]
