"""Options once, one composition: what comes out of it for any track, and for any input."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import NoSpeechError
from emotrace.models.encoder import FakeEncoder
from emotrace.pipeline import PipelineOptions, analyse, analyse_many
from emotrace.postprocess.segments import change_points, time_shares
from emotrace.recognition import Recognizer
from emotrace.results import Failure, Recognition, Smoothing
from emotrace.segmentation import signal_quality
from tests.voices import steady, voice

RECOGNIZER = Recognizer(encoder=FakeEncoder())
CLIP = (steady(2, 3 / 8), 16000)


def smoothing(method: str, **values: Any) -> PipelineOptions:
    return PipelineOptions.of(smoothing={"method": method, **values})


def test_everything_in_one_result() -> None:
    both = np.concatenate([steady(3, 3 / 8), steady(3, 6 / 8)])
    result = analyse(RECOGNIZER, (both, 16000), smoothing("hmm-online", lag=0.4))
    assert result.track is not None
    assert result.smoothed is not None
    assert result.smoothing == Smoothing("hmm-online", 0.4)
    assert [s.emotion for s in result.segments][:: len(result.segments) - 1] == ["happy", "sad"]
    assert result.change_points == change_points(result.segments)
    assert result.shares == time_shares(result.segments)
    assert result.verdict is not None
    assert result.quality is not None
    assert str(result.quality) == str(signal_quality((both, 16000)))  # NaN is not NaN, but says the same
    assert result.measures == result.quality.measures


def test_the_checks_do_not_change_what_is_recognised() -> None:
    speech = (voice(16000 * 35), 16000)
    plain = RECOGNIZER.recognize(speech, frames=True)
    checked = RECOGNIZER.recognize(speech, frames=True, quality=True)
    assert (plain.scores, plain.measures, plain.segments) == (
        checked.scores,
        checked.measures,
        checked.segments,
    )
    assert plain.quality is None
    assert str(checked.quality) == str(signal_quality(speech))


def test_without_checks_and_rules_nothing_is_judged() -> None:
    result = analyse(RECOGNIZER, CLIP, PipelineOptions.of(checks=False, rules=None))
    assert (result.quality, result.verdict, result.smoothed, result.change_points) == (None, None, None, ())


def test_without_checks_the_measures_are_judged() -> None:
    result = analyse(RECOGNIZER, (steady(0.5, 3 / 8), 16000), PipelineOptions.of(checks=False))
    assert result.quality is None
    assert result.verdict is not None
    assert "too-short" in result.verdict.codes


def test_what_fails_fails_as_ever() -> None:
    with pytest.raises(NoSpeechError):
        analyse(RECOGNIZER, (np.zeros(16000, np.float32), 16000))
    with pytest.raises(NoSpeechError):
        analyse(RECOGNIZER, (np.zeros(16000 * 40, np.float32), 16000))


def test_an_error_of_the_checks_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def push(self, _: object) -> None:
            raise MemoryError("no room")

    monkeypatch.setattr("emotrace.recognition.measuring.QualityMeter", Broken)
    with pytest.raises(MemoryError, match="no room"):
        analyse(RECOGNIZER, (steady(40, 3 / 8), 16000), PipelineOptions.of(recognition={"whole_seconds": 60}))


def test_many_in_order_each_judged() -> None:
    found = list(analyse_many(RECOGNIZER, [CLIP, "missing.wav", CLIP], smoothing("vote"), workers=2))
    assert [type(result) for result in found] == [Recognition, Failure, Recognition]
    for result in found[::2]:
        assert isinstance(result, Recognition)
        assert result.verdict is not None
        assert result.smoothed is not None


@pytest.mark.parametrize("handled", [True, False])
def test_a_bug_while_judging_stops_nothing_if_it_is_handled(
    monkeypatch: pytest.MonkeyPatch, handled: bool
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("emotrace.pipeline.judging.judge", broken)
    found = analyse_many(
        RECOGNIZER, [CLIP, CLIP], on_bug=(lambda s, e: Failure(str(s), "bug", str(e))) if handled else None
    )
    if handled:
        assert [(f.code, f.reason) for f in found if isinstance(f, Failure)] == [("bug", "odd")] * 2
    else:
        with pytest.raises(RuntimeError, match="odd"):
            list(found)


def test_any_source_is_analysed(tmp_path: Path) -> None:
    from tests.cli.command import square, write

    path = write(tmp_path / "a.wav", square())
    sources: Iterator[Any] = iter([path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())])
    assert {analyse(RECOGNIZER, source).emotion for source in sources} == {"happy"}
