"""The nine emotions, and every way in which they are written."""

from __future__ import annotations

import colorsys

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
FUNASR = ["生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "其他/other", "难过/sad"]
FUNASR += ["吃惊/surprised", "<unk>"]

known = st.sampled_from([*ORDER, *ALIASES])


def test_the_order_is_that_of_emotion2vec() -> None:
    assert LABELS == emotrace.LABELS == ORDER == tuple(e.name for e in EMOTIONS)
    assert [e.zh for e in EMOTIONS] == ["愤怒", "厌恶", "恐惧", "快乐", "中性", "其他", "悲伤", "惊讶", "未知"]
    assert "".join(e.emoji for e in EMOTIONS) == "😠🤢😨😊😐🤔😢😲❓"


def test_colours_are_told_apart() -> None:
    colours = [tuple(int(e.colour[i : i + 2], 16) / 255 for i in (1, 3, 5)) for e in EMOTIONS]
    assert len({e.colour for e in EMOTIONS}) == len(EMOTIONS)
    for i, a in enumerate(colours):
        for b in colours[:i]:
            difference = max(abs(x - y) for x, y in zip(colorsys.rgb_to_hls(*a), colorsys.rgb_to_hls(*b), strict=True))
            assert difference > 0.05


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


@pytest.mark.parametrize("text", ["", " ", "/", "happy/", "/happy", "happy/sad", "快", "angry,sad", "8", "unk"])
def test_these_are_no_labels(text: str) -> None:
    with pytest.raises(LabelError):
        label_index(text)


def test_a_label_error_is_bad_input_and_a_value_error() -> None:
    assert issubclass(LabelError, InputError)
    assert issubclass(LabelError, ValueError)


def test_an_emotion_by_its_name() -> None:
    assert [emotion(name) for name in ORDER] == list(EMOTIONS)
    assert emotion("吃惊") is EMOTIONS[7]
