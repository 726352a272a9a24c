"""Each form of a result, read back by a reader that others wrote."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import MissingExtraError, OptionError
from emotrace.labels import LABELS, emotion
from emotrace.models.encoder import FakeEncoder
from emotrace.outputs.annotation import Annotation, annotation_of, joined, layers, milliseconds
from emotrace.outputs.formats import ANNOTATIONS, FORMATS, find_format
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.results import Recognition

ODD = """folder/a 'b' "c"\n声 <&>;—\udcff.wav"""
SCORES = dict.fromkeys(LABELS, 0.1) | {"sad": 0.2}


def record(*segments: tuple[float, float, str], duration: float = 9.0, **changes: Any) -> dict[str, Any]:
    """A record with some segments."""
    parts = [
        {"start": start, "end": end, "emotion": label, "confidence": 0.5, "scores": SCORES}
        for start, end, label in segments
    ]
    reasons = [{"code": "short"}, {"code": "noisy"}]
    return {
        "source": ODD,
        "emotion": "happy",
        "confidence": 0.625,
        "scores": SCORES,
        "timestamp": "2026-01-02 03:04:05",
        "duration_seconds": duration,
        "speech_seconds": None,
        "model": {"name": "compact", "revision": "0123"},
        "segments": parts,
        "change_points": [{"time": 2.0, "before": "sad", "after": "angry", "strength": 1.0}],
        "warnings": [],
        "verdict": {"decision": "flag", "reasons": reasons},
        **changes,
    }


TWO = record((0.5, 2.0004, "sad"), (2.0004, 7.9996, "angry"))
WHOLE = record(change_points=[], verdict=None)


@pytest.fixture
def result() -> Recognition:
    """A recognition with a smoothed track, segments and a verdict."""
    sound = np.repeat([3 / 8, 6 / 8], 48000) * np.tile([1, -1], 48000)
    options = PipelineOptions.of(smoothing={"method": "median"}, recognition={"frames": True})
    return analyse(Recognizer(encoder=FakeEncoder()), (sound.astype(np.float32), 16000), options)


def rendered(name: str, what: Any, tmp_path: Path, **more: Any) -> Path:
    path = tmp_path / f"x{FORMATS[name].suffix}"
    path.write_bytes(FORMATS[name].render(what, **more))
    return path


def test_rttm_is_read_by_pyannote(tmp_path: Path) -> None:
    util = pytest.importorskip("pyannote.database.util")
    [(name, found)] = util.load_rttm(rendered("rttm", TWO, tmp_path)).items()
    assert name == "a_'b'_\"c\"_声_<&>;—\\udcff"
    tracks = [(part.start, part.end, label) for part, _, label in found.itertracks(yield_label=True)]
    assert tracks == [
        (pytest.approx(0.5), pytest.approx(2.0), "sad"),
        (pytest.approx(2.0), pytest.approx(8.0), "angry"),
    ]


def test_textgrid_is_read_by_praatio(tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    grid = textgrid.openTextgrid(str(rendered("textgrid", TWO, tmp_path)), includeEmptyIntervals=True)
    assert grid.tierNames == ("emotion", "confidence", "verdict", "change")
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 9)
    assert [tuple(entry) for entry in grid.getTier("emotion").entries] == [
        (0, 0.5, ""),
        (0.5, 2, "sad"),
        (2, 8, "angry"),
        (8, 9, ""),
    ]
    assert [entry.label for entry in grid.getTier("confidence").entries] == ["", "0.5000", "0.5000", ""]
    assert [tuple(entry) for entry in grid.getTier("verdict").entries] == [(0, 9, "flag: short noisy")]
    assert [tuple(entry) for entry in grid.getTier("change").entries] == [(2, "sad > angry")]
    whole = textgrid.openTextgrid(str(rendered("textgrid", WHOLE, tmp_path)), includeEmptyIntervals=True)
    assert whole.tierNames == ("emotion", "confidence")
    assert [tuple(entry) for entry in whole.getTier("emotion").entries] == [(0, 9, "happy")]


def test_elan_is_read_by_pympi(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan")
    read = elan.Eaf(str(rendered("elan", TWO, tmp_path)))
    assert list(read.get_tier_names()) == ["emotion", "confidence", "verdict"]
    assert sorted(read.get_annotation_data_for_tier("emotion")) == [(500, 2000, "sad"), (2000, 8000, "angry")]
    assert read.get_annotation_data_for_tier("verdict") == [(0, 9000, "flag: short noisy")]
    [media] = read.get_linked_files()
    assert media["RELATIVE_MEDIA_URL"].startswith("./a%20%27b%27%20%22c%22%0A%E5%A3%B0%20%3C%26%3E")
    entries = read.controlled_vocabularies["emotions"][1]
    names = {key: [value for value, _, _ in values] for key, (values, _) in entries.items()}
    assert names["cve_sad"] == ["sad", "悲伤"] and len(names) == len(LABELS)
    assert list(elan.Eaf(str(rendered("elan", WHOLE, tmp_path))).get_tier_names()) == [
        "emotion",
        "confidence",
    ]


def test_elan_names_an_absolute_path_and_the_time_order_is_kept(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    text = FORMATS["elan"].render(record(source="/calls/a b.mp3"))
    root = ElementTree.fromstring(text)
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert (media.get("MEDIA_URL"), media.get("MIME_TYPE")) == ("file:///calls/a%20b.mp3", "audio/mpeg")
    times = [int(slot.attrib["TIME_VALUE"]) for slot in root.iterfind("TIME_ORDER/TIME_SLOT")]
    assert times == sorted(times)
    other = FORMATS["elan"].render(record(source="/calls/a b.mp3"), media="processed_audio.wav")
    assert b'"./processed_audio.wav"' in other and b"calls" not in other


@pytest.mark.parametrize("language", ["en", "zh"])
def test_webvtt_is_read_by_webvtt_py(tmp_path: Path, language: str) -> None:
    webvtt = pytest.importorskip("webvtt")
    captions = webvtt.read(str(rendered("webvtt", TWO, tmp_path, language=language)))
    sad, angry = ("sad", "angry") if language == "en" else ("悲伤", "愤怒")
    assert [(each.start, each.end, each.text) for each in captions] == [
        ("00:00:00.500", "00:00:02.000", f"{emotion('sad').emoji} {sad} 50 %"),
        ("00:00:02.000", "00:00:08.000", f"{emotion('angry').emoji} {angry} 50 %"),
    ]


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, in audformat's own reading
def test_audformat_is_loaded(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    with zipfile.ZipFile(rendered("audformat", TWO, tmp_path)) as archive:
        archive.extractall(tmp_path / "db")
    database = audformat.Database.load(str(tmp_path / "db"))
    segments = database["emotion.segments"].get()
    assert segments["emotion"].tolist() == ["sad", "angry"]
    assert segments["sad"].tolist() == pytest.approx([0.2, 0.2])
    files, starts, ends = (segments.index.get_level_values(name) for name in ("file", "start", "end"))
    assert set(files) == {ODD.encode("utf-8", "backslashreplace").decode()}
    assert starts.total_seconds().tolist() == [0.5, 2.0]
    assert ends.total_seconds().tolist() == [2.0, 8.0]
    [whole] = database["emotion.recordings"].get().itertuples()
    assert (whole.emotion, whole.confidence, whole.verdict, whole.reasons) == (
        *("happy", pytest.approx(0.625)),
        *("flag", "short noisy"),
    )
    assert database.schemes["emotion"].labels["sad"] == {"zh": "悲伤"}
    assert FORMATS["audformat"].render(TWO) == FORMATS["audformat"].render(TWO)


def test_json_and_csv(result: Recognition) -> None:
    told = json.loads(FORMATS["json"].render(result, granularity="frame"))
    assert told["emotion"] == result.emotion and told["frames"]
    [row] = csv.DictReader(io.StringIO(FORMATS["csv"].render(result).decode()))
    assert (row["emotion"], row["status"]) == (result.emotion, "ok")
    [odd] = csv.DictReader(io.StringIO(FORMATS["csv"].render(TWO).decode(), newline=""))
    assert odd["reasons"] == "short noisy"


def test_a_recognition_and_its_record_are_the_same_in_every_form(result: Recognition) -> None:
    when = datetime(2026, 1, 2)
    told = json.loads(FORMATS["json"].render(result, when=when))
    for form in FORMATS.values():
        assert form.render(result, when=when) == form.render(told), form.name


def test_there_is_no_other_form(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_format("elan") is FORMATS["elan"]
    with pytest.raises(OptionError, match="expected one of json, csv, rttm"):
        find_format("docx")
    monkeypatch.setattr("emotrace.outputs.formats.find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotrace\[formats\]'"):
        FORMATS["audformat"].render(WHOLE)


times = st.floats(0, 9.0005, allow_nan=False)


@given(st.lists(times, max_size=12), st.floats(0, 9))
def test_intervals_never_overlap_and_always_have_a_length(cuts: list[float], duration: float) -> None:
    cuts.sort()
    parts = [(start, end, "sad") for start, end in pairwise(cuts)]
    annotation = annotation_of(record(*parts, duration=duration))
    ends = 0
    for each in annotation.emotions:
        assert ends <= each.start < each.end <= annotation.end
        ends = each.end
    assert len(layers(annotation.emotions)) == 1


@given(st.lists(st.tuples(times, times), max_size=8))
def test_segments_that_overlap_are_on_several_tiers(pairs: list[tuple[float, float]]) -> None:
    parts: list[Annotation] = [annotation_of(WHOLE)]
    for start, length in pairs:
        parts.append(annotation_of({**WHOLE, "duration_seconds": length}, start))
    tiers = layers(joined(parts).emotions)
    assert sum(map(len, tiers)) == len(parts)
    for tier in tiers:
        assert all(a.end <= b.start for a, b in pairwise(tier))


@given(st.text())
def test_any_name_gives_files_that_can_be_read(name: str) -> None:
    from xml.etree import ElementTree

    what = {**TWO, "source": name}
    ElementTree.fromstring(FORMATS["elan"].render(what))
    lines = FORMATS["rttm"].render(what).decode().splitlines()
    assert all(len(line.split(" ")) == 10 for line in lines) and len(lines) == 2
    assert FORMATS["textgrid"].render(what).decode().count("name =") == 4


def test_every_annotation_is_a_format() -> None:
    assert set(ANNOTATIONS) < set(FORMATS)
    assert milliseconds(2.0005) == 2001
