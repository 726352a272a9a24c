"""Windows speak for every frame once; speech is counted with its short pauses; speakers are told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.results import Array
from emotrace.segmentation.bands import BANDS
from emotrace.segmentation.content import FEWEST_FRAMES, hear
from emotrace.segmentation.speakers import MOST, SpeakerMeter, several
from emotrace.segmentation.speech import SpeechCounter
from emotrace.segmentation.windows import STEP_FRAMES, WINDOW_FRAMES, Windows, _SnrMeter


def _bands(frames: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(-8, 2, (frames, BANDS)).astype(np.float32)


@pytest.mark.parametrize(
    "frames",
    [
        1,
        FEWEST_FRAMES - 1,
        FEWEST_FRAMES,
        100,
        WINDOW_FRAMES,
        WINDOW_FRAMES + 1,
        WINDOW_FRAMES + STEP_FRAMES,
        437,
    ],
)
def test_each_frame_is_told_once(frames: int) -> None:
    windows = Windows()
    windows.feed(_bands(frames), np.zeros(frames, np.float32))
    windows.finish()
    assert windows.seconds.frames.sum() == frames
    assert np.allclose(windows.seconds.kinds.sum(axis=1), 1, atol=1e-5)
    assert math.isnan(windows.snr_db) or abs(windows.snr_db) < 60


def test_too_little_says_nothing_about_the_snr() -> None:
    windows = Windows()
    windows.feed(_bands(FEWEST_FRAMES - 1), np.ones(FEWEST_FRAMES - 1, np.float32))
    windows.finish()
    assert math.isnan(windows.snr_db)


@pytest.mark.parametrize(
    ("heard", "expected"),
    [(25.0, 27.5), (33.0, 31.5), (21.0, 21.0), (5.0, 5.0), (44.0, 37.0), (46.0, 46.0)],
)
def test_pauses_and_network_are_joined_where_they_agree(heard: float, expected: float) -> None:
    speech = np.repeat(np.array([0, 1], np.float32), [75, 75])
    power = np.where(speech > 0, 1e-2 + 1e-5, 1e-5)
    meter = _SnrMeter()
    meter.hear(power, speech, heard, "speech", 0, 150)
    assert meter.result() == pytest.approx(expected, abs=0.05)


def test_loud_frames_are_the_speech_where_voice_activity_finds_none() -> None:
    power = np.repeat([1e-5, 1e-2], 75)
    meter = _SnrMeter()
    meter.hear(power, np.zeros(150, np.float32), 30.0, "noise", 0, 150)
    assert math.isnan(meter.result())
    meter.hear(power, np.zeros(150, np.float32), 30.0, "speech", 0, 150)
    assert meter.result() == pytest.approx(30, abs=3)


def test_a_batch_hears_what_one_by_one_hears() -> None:
    rows = np.stack([_bands(120, seed) for seed in range(3)])
    together = hear(rows)
    for i, row in enumerate(rows):
        alone = hear(row[None])
        assert np.allclose(alone.kinds[0], together.kinds[i], atol=1e-5)
        assert alone.snr_db[0] == pytest.approx(together.snr_db[i], abs=1e-3)


def test_level_does_not_matter_to_the_network() -> None:
    row = _bands(150)[None]
    quiet = hear(row - np.float32(6))
    assert np.allclose(hear(row).kinds, quiet.kinds, atol=1e-3)


@given(st.lists(st.floats(0, 1), max_size=200), st.integers(0, 200))
@settings(max_examples=50, deadline=None)
def test_speech_is_counted_the_same_in_any_chunks(values: list[float], cut: int) -> None:
    probabilities = np.array(values, np.float32)
    whole, parts = SpeechCounter(), SpeechCounter()
    whole.feed(probabilities)
    parts.feed(probabilities[:cut])
    parts.feed(probabilities[cut:])
    assert whole.chunks == parts.chunks <= len(values)


def test_long_pauses_are_no_speech() -> None:
    counter = SpeechCounter()
    counter.feed(np.repeat(np.array([0, 1, 0, 1, 0], np.float32), [50, 10, 40, 10, 50]))
    assert counter.chunks == 20


def test_speakers_need_speech_and_keep_little() -> None:
    meter = SpeakerMeter()
    meter.feed(_bands(75 * 300), np.ones(75 * 300, np.float32))
    meter.finish()
    assert 0 <= meter.score <= 1
    assert len(meter._embeddings) <= MOST
    assert math.isnan(several(np.zeros((1, 48), np.float32)))
    assert math.isnan(several(np.zeros((0, 48), np.float32)))
