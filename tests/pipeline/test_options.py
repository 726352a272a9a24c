"""Options once, one composition: what comes out of it for any track, and for any input."""

from __future__ import annotations

from typing import Any

import pytest

import emotrace
from emotrace.errors import OptionError
from emotrace.pipeline import PipelineOptions, analyse, analyse_many
from emotrace.postprocess.rules import Rules
from emotrace.recognition import RecognitionOptions
from emotrace.segmentation import signal_quality


def test_what_the_steps_need_is_read() -> None:
    plain = PipelineOptions()
    assert (plain.reading.frames, plain.reading.quality, plain.rules) == (False, True, Rules())
    bare = PipelineOptions.of(checks=False, rules=None, smoothing={"method": "hmm"})
    assert (bare.reading.frames, bare.reading.quality, bare.rules) == (True, False, None)
    asked = RecognitionOptions.of(frames=True, quality=True, hop=0.1, frame_embeddings=False)
    kept = PipelineOptions.of(recognition=asked, checks=False).reading
    assert kept == asked
    assert plain.reading.frame_embeddings is False  # nobody asked to have them carried along


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nonsense": 1}, "there is no option 'nonsense'"),
        ({"recognition": {"nonsense": 1}}, "there is no option 'recognition.nonsense'"),
        ({"recognition": {"hop": 0.03}}, "option recognition.hop is 0.03; expected a multiple of 0.02 s"),
        ({"smoothing": {"method": "magic"}}, "option smoothing.method is 'magic'; expected 'vote'"),
        ({"smoothing": {"method": "hmm", "alpha": 0.5}}, "option alpha has no effect on 'hmm'"),
        ({"segments": {"margin": 2}}, "option segments.margin is 2; expected less than 1"),
        ({"rules": {"min_gap": -1}}, "option rules.min_gap is -1; expected greater than or equal to 0"),
        ({"checks": "perhaps"}, "option checks is 'perhaps'; expected a valid boolean"),
    ],
)
def test_wrong_options_are_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        PipelineOptions.of(**values)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_user_finds_them_in_the_package() -> None:
    assert emotrace.PipelineOptions is PipelineOptions
    assert (emotrace.analyse, emotrace.analyse_many) == (analyse, analyse_many)
    assert emotrace.signal_quality is signal_quality
