"""The nine emotions, and every way in which they are written."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emotrace
from emotrace.errors import InputError, LabelError
from emotrace.labels import EMOTIONS, LABELS, emotion, label_index

ORDER = ("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")
ALIASES = {
    "愤怒": 0, "生气": 0, "厌恶": 1, "恐惧": 2, "快乐": 3, "开心": 3, "中性": 4, "中立": 4, "其他": 5,
    "悲伤": 6, "难过": 6, "惊讶": 7, "吃惊": 7, "未知": 8, "<unk>": 8,
}  # fmt: skip
FUNASR = [
    "生气/angry",
    "厌恶/disgusted",
    "恐惧/fearful",
    "开心/happy",
    "中立/neutral",
    "其他/other",
    "难过/sad",
]
FUNASR += ["吃惊/surprised", "<unk>"]

known = st.sampled_from([*ORDER, *ALIASES])


def test_the_order_is_that_of_emotion2vec() -> None:
    assert LABELS == emotrace.LABELS == ORDER == tuple(e.name for e in EMOTIONS)
    assert [e.zh for e in EMOTIONS] == [
        "愤怒",
        "厌恶",
        "恐惧",
        "快乐",
        "中性",
        "其他",
        "悲伤",
        "惊讶",
        "未知",
    ]
    assert "".join(e.emoji for e in EMOTIONS) == "😠🤢😨😊😐🤔😢😲❓"


# How eyes see linear RGB: Machado, Oliveira and Fernandes 2009, full severity, row by row.
EYES = {
    "usual": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "no red cones": (0.1523, 1.0526, -0.2049, 0.1145, 0.7863, 0.0992, -0.0039, -0.0481, 1.052),
    "no green cones": (0.3673, 0.8606, -0.228, 0.2801, 0.6725, 0.0474, -0.0118, 0.0429, 0.9689),
    "no blue cones": (1.2555, -0.0767, -0.1788, -0.0784, 0.9308, 0.1476, 0.0047, 0.6914, 0.3039),
}


def lab(colour: str, eye: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """CIE 1976 L*a*b* of a hex colour as an eye sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.reshape(EYES[eye], (3, 3)) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    xyz = xyz / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
def test_colours_are_told_apart(eye: str) -> None:
    seen = [lab(e.colour, eye) for e in EMOTIONS]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) >= 14


@pytest.mark.parametrize(("text", "index"), [*ALIASES.items(), *((name, i) for i, name in enumerate(ORDER))])
def test_every_name_is_read_in_any_case_and_with_space_around(text: str, index: int) -> None:
    for written in (text, text.upper(), text.title(), f"  {text}\t", f" {text} / {text}"):
        assert label_index(written) == index


def test_what_funasr_writes_is_read() -> None:
    assert [label_index(text) for text in FUNASR] == list(range(9))
    assert label_index("开心/HAPPY") == 3


@given(known, known)
def test_two_names_are_read_if_they_mean_the_same(a: str, b: str) -> None:
    if label_index(a) == label_index(b):
        assert label_index(f"{a}/{b}") == label_index(a)
    else:
        with pytest.raises(LabelError):
            label_index(f"{a}/{b}")


@given(st.text())
def test_any_text_is_one_of_the_nine_or_a_label_error(text: str) -> None:
    try:
        index = label_index(text)
    except LabelError as error:
        assert repr(text) in str(error)
        assert "angry, disgusted" in str(error)
    else:
        assert all(part.strip().lower() in {*ORDER, *ALIASES} for part in text.split("/"))
        assert 0 <= index < 9


@given(known, st.text(min_size=1).filter(lambda t: "/" not in t and t.strip()))
def test_a_name_with_something_behind_it_is_no_name(name: str, more: str) -> None:
    if (name + more).strip().lower() not in {*ORDER, *ALIASES}:
        with pytest.raises(LabelError):
            label_index(name + more)


@pytest.mark.parametrize(
    "text", ["", " ", "/", "happy/", "/happy", "happy/sad", "快", "angry,sad", "8", "unk"]
)
def test_these_are_no_labels(text: str) -> None:
    with pytest.raises(LabelError):
        label_index(text)


def test_a_label_error_is_bad_input_and_a_value_error() -> None:
    assert issubclass(LabelError, InputError)
    assert issubclass(LabelError, ValueError)


def test_an_emotion_by_its_name() -> None:
    assert [emotion(name) for name in ORDER] == list(EMOTIONS)
    assert emotion("吃惊") is EMOTIONS[7]
