"""Options are checked once, and what is wrong with them is said in one sentence."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.audio import Limits
from emotrace.errors import OptionError
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition import RecognitionOptions, Recognizer
from tests.voices import steady

RECOGNIZER = Recognizer(encoder=FakeEncoder())
CLIP = (steady(1, 0.5), 16000)


def test_the_defaults_are_the_documented_ones() -> None:
    options = RecognitionOptions.of()
    assert (options.frames, options.hop, options.frame_embeddings, options.segments) == (
        False,
        0.04,
        None,
        False,
    )
    assert (options.whole_seconds, options.channel, options.self_reference) == (30.0, None, True)
    assert options.limits == Limits()


@given(st.integers(1, 3000))
def test_any_multiple_of_20_ms_is_a_hop(steps: int) -> None:
    assert RecognitionOptions.of(hop=steps * 0.02).hop == pytest.approx(steps / 50, abs=1e-12)


@given(st.floats(0.02, 60))
def test_no_other_hop_is(hop: float) -> None:
    if abs(hop * 50 - round(hop * 50)) > 1e-3:
        with pytest.raises(OptionError, match=r"expected a multiple of 0\.02 s"):
            RecognitionOptions.of(hop=hop)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"hop": 0.05}, "option hop is 0.05; expected a multiple of 0.02 s"),
    ({"hop": 0.0}, "option hop is 0.0; expected greater than or equal to 0.02"),
    ({"hop": -0.04}, "option hop is -0.04; expected"),
    ({"hop": math.nan}, "option hop is nan; expected"),
    ({"hop": math.inf}, "option hop is inf; expected less than or equal to 60"),
    ({"hop": "soon"}, "option hop is 'soon'; expected a valid number"),
    ({"whole_seconds": 0}, "option whole_seconds is 0; expected greater than 0"),
    ({"whole_seconds": 601}, "option whole_seconds is 601; expected less than or equal to 600"),
    ({"whole_seconds": math.nan}, "option whole_seconds is nan; expected"),
    ({"channel": -1}, "option channel is -1; expected greater than or equal to 0"),
    ({"channel": 0.5}, "option channel is 0.5; expected a valid integer"),
    ({"frames": "perhaps"}, "option frames is 'perhaps'; expected a valid boolean"),
    ({"track_method": "guess"}, "option track_method is 'guess'; expected 'auto', 'sliding-window' or"),
    ({"limits": 5}, "option limits is 5; expected"),
    ({"hops": 0.04}, "there is no option 'hops'; expected one of frames, hop, track_method, "),
]


@pytest.mark.parametrize(("options", "told"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_option_is_told(options: dict[str, Any], told: str) -> None:
    for call in (
        lambda: RECOGNIZER.recognize(CLIP, **options),
        lambda: RECOGNIZER.recognize_many([CLIP], **options),
        lambda: RECOGNIZER.reference([CLIP], **options),
    ):
        with pytest.raises(OptionError) as error:
            call()
        assert str(error.value).startswith(told)
        assert "\n" not in str(error.value)


def test_options_cannot_change_under_a_recognition() -> None:
    options = RecognitionOptions.of()
    with pytest.raises(ValueError, match="frozen"):
        options.hop = 1.0


def test_one_recording_is_no_list_of_recordings() -> None:
    one: Any
    for one in ("a.wav", b"RIFF"):
        with pytest.raises(OptionError, match=r"one recording came .*; expected a list of them"):
            RECOGNIZER.recognize_many(one)
        with pytest.raises(OptionError, match=r"one recording came .*; expected a list of them"):
            RECOGNIZER.reference(one)


def test_what_can_be_read_only_once_is_refused_where_it_is_read_twice() -> None:
    with pytest.raises(OptionError, match="expected no file objects: pass bytes"):
        RECOGNIZER.recognize_many([CLIP, io.BytesIO(b"")], one_speaker=True)
