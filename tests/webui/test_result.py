from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from emotrace.audio import load
from emotrace.outputs.envelope import Envelope
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.results import Recognition, Signal
from emotrace.sample import sample_path
from emotrace.webui.calls import record_of
from emotrace.webui.drawing import COLUMNS, stretches
from emotrace.webui.languages import LANGUAGES
from emotrace.webui.markup import table
from emotrace.webui.result import Links, log_of, result_view
from emotrace.webui.texts import Words

OUTLINE = Envelope(np.linspace(-1, 0, 1600, dtype=np.float32), np.linspace(1, 0, 1600, dtype=np.float32))


@pytest.fixture(scope="module")
def talk() -> Recognition:
    """Ten seconds of the sample, over time."""
    sound = load(sample_path())
    signal = Signal(sound.samples[:160_000], sound.sampling_rate)
    options = PipelineOptions.of(recognition={"frames": True}, smoothing={"method": "hmm"})
    return analyse(Recognizer(), signal, options)


def shown(result: Recognition, language: Any = "en", granularity: Any = "frame") -> str:
    record, words = record_of(result, granularity), Words(language)
    links = Links((("JSON", "/ui/results/x/json?a=1&b=2"),), "/ui/results/x/sound", 60)
    return result_view(record, OUTLINE, links, log_of(record, words), words)


def tree(view: str) -> ET.Element:
    return ET.fromstring(
        view.replace(" hidden>", ' hidden="">')
        .replace(" controls ", ' controls="" ')
        .replace(" download ", ' download="" ')
    )


def test_view_is_well_formed_and_says_what_the_record_says(talk: Recognition) -> None:
    for language in LANGUAGES:
        words = Words(language)
        found = tree(shown(talk, language))
        [name] = [each for each in found.iter("strong") if each.get("class") == "em-name"]
        assert (name.get("data-emotion"), name.text) == (talk.emotion, words.label(talk.emotion))
        text = " ".join(found.itertext())
        assert talk.verdict is not None
        for reason in talk.verdict.reasons:
            sentence = reason.sentence_zh if language == "zh" else reason.sentence
            assert sentence.lower() in text.lower()


def test_what_a_client_called_its_file_stays_text(talk: Recognition) -> None:
    bad = '<img src=x onerror="alert(1)">${alert(2)}{{3}}.wav'
    view = shown(replace(talk, source=bad, warnings=("<script>",)))
    assert "<img" not in view and "<script>" not in view
    assert bad in " ".join(tree(view).itertext())


def test_ribbon_and_table_tell_the_same_stretches(talk: Recognition) -> None:
    record = record_of(talk, "frame")
    found = stretches(record)
    assert len(found) > 1
    assert all(a.end <= b.start + 1e-6 for a, b in pairwise(found))
    assert {each.emotion for each in found} == {frame["emotion"] for frame in record["frames"]}
    rows = list(tree(shown(talk)).iter("tr"))
    assert len(rows) == len(found) + 1


def test_segments_that_were_asked_for_come_before_the_frames(talk: Recognition) -> None:
    found = stretches(record_of(talk, "segment"))
    assert [each.emotion for each in found] == [segment.emotion for segment in talk.segments]


def test_silence_is_in_no_stretch(talk: Recognition) -> None:
    frames = [
        {"emotion": "sad", "score": 0.5, "timestamp": time, "scores": {}} for time in (0.0, 0.5, 2.0, 2.5)
    ]
    record = {**record_of(talk, "frame"), "frames": frames, "duration_seconds": 4.0}
    assert [(each.start, each.end) for each in stretches(record)] == [(0.0, 1.0), (2.0, 3.0)]


def test_hours_are_drawn_with_as_much_as_seconds(talk: Recognition) -> None:
    frame = record_of(talk, "frame")["frames"][0]
    frames = [{**frame, "timestamp": i / 2} for i in range(20_000)]
    record = {**record_of(talk, "frame"), "frames": frames, "duration_seconds": 10_000.0}
    view = result_view(record, OUTLINE, Links(), [], Words("en"))
    assert len(view) < 120_000
    assert view.count("M") <= COLUMNS + 100


def test_without_frames_the_segments_are_drawn(talk: Recognition) -> None:
    record = record_of(replace(talk, track=None, smoothed=None), "segment")
    found = stretches(record)
    assert [each.emotion for each in found] == [segment.emotion for segment in talk.segments]
    assert [each.start for each in found] == pytest.approx([s.start for s in talk.segments], abs=1e-3)
    tree(result_view(record, None, Links(), [], Words("zh")))


def test_table_cells_have_their_head() -> None:
    assert 'data-head="A&lt;"' in table(["A<"], [["1"]], "name")


def test_the_last_cell_of_a_short_row_fills_it() -> None:
    rows = [["1", "2", "3"], ["1", "failed"]]
    cells = list(tree(table(["A", "B", "C"], rows, "name")).iter("td"))
    assert [cell.get("colspan") for cell in cells] == [None, None, None, None, "2"]
