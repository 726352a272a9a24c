"""A live stream is judged as a file is."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import PipelineOptions, Recognizer, analyse, stream
from emotrace.postprocess.options import Method
from emotrace.results import EmotionReading, Recognition, SpeechEnded, StreamEnded, StreamEvent
from tests.recognition.fakes import SpeakerFake, assert_same, heard_by_level
from tests.recognition.test_live import assert_events_same
from tests.recognition.test_streaming import TALK

SOUND = TALK[: 40 * 16000]


def events_of(options: PipelineOptions, marks: list[int]) -> list[StreamEvent]:
    with heard_by_level():
        live = stream(Recognizer(encoder=SpeakerFake()), 16000, options, hop=0.5)
        return [e for chunk in np.split(SOUND, marks) for e in live.push(chunk)] + live.finish()


def result_of(events: list[StreamEvent]) -> Recognition:
    last = events[-1]
    assert isinstance(last, StreamEnded)
    return last.recognition


@pytest.mark.parametrize("method", [None, *get_args(Method)])
def test_the_result_is_that_of_a_file_with_the_same_options(method: str | None) -> None:
    options = PipelineOptions.of(smoothing=method and {"method": method}, recognition={"segments": True})
    found = result_of(events_of(options, [9999, 123_456]))
    with heard_by_level():
        expected = analyse(Recognizer(encoder=SpeakerFake()), (SOUND, 16000), options)
    assert_same(found, expected, 1e-6)
    assert found.verdict == expected.verdict
    assert str(found.quality) == str(expected.quality)  # NaN is not NaN, but says the same
    assert found.smoothing == expected.smoothing
    assert found.change_points == expected.change_points
    assert (found.smoothed is None) == (method is None)
    if found.smoothed is not None and expected.smoothed is not None:
        assert np.allclose(
            found.smoothed.probabilities, expected.smoothed.probabilities, atol=1e-6, equal_nan=True
        )


@given(st.lists(st.integers(0, len(SOUND)), max_size=20).map(sorted))
@settings(max_examples=5, deadline=None)
def test_smoothed_readings_do_not_depend_on_the_chunks(marks: list[int]) -> None:
    options = PipelineOptions.of(smoothing={"method": "hmm-online"}, checks=False)
    expected, found = events_of(options, []), events_of(options, marks)
    assert_events_same(found, expected)
    pairs = zip(found, expected, strict=True)
    readings = [(a, b) for a, b in pairs if isinstance(a, EmotionReading) and isinstance(b, EmotionReading)]
    assert len(readings) > 20
    for a, b in readings:
        assert (a.smoothed is None) == (b.smoothed is None)
        if a.smoothed is not None and b.smoothed is not None:
            assert np.allclose(a.smoothed, b.smoothed, rtol=0, atol=1e-5)
        assert a.latency_seconds == 0.5


def test_every_segment_has_a_verdict_and_no_smoothing_of_its_own() -> None:
    events = events_of(PipelineOptions.of(smoothing={"method": "hmm"}), [])
    segments = [event.recognition for event in events if isinstance(event, SpeechEnded)]
    assert len(segments) >= 3
    for segment in segments:
        assert segment.verdict is not None and segment.quality is not None
        assert segment.smoothed is None and segment.track is not None
    without = events_of(PipelineOptions.of(rules=None, checks=False), [])
    assert all(e.recognition.verdict is None for e in without if isinstance(e, SpeechEnded | StreamEnded))
