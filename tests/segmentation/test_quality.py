"""The signal checks together: chunks do not matter, and real recordings are what they are."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.audio import load
from emotrace.errors import NoAudioError
from emotrace.results import Array, SignalQuality
from emotrace.segmentation import QualityMeter, signal_quality
from emotrace.segmentation.content import FEWEST_FRAMES, KINDS
from emotrace.segmentation.quality import content_shares
from emotrace.segmentation.windows import Seconds
from tests.data import DATA, needs_data
from tests.voices import voice

RATE = 16_000
SAMPLE = Path(__file__).parents[2] / "src" / "emotrace" / "sample" / "moods.flac"


def measured(sound: Array, marks: list[int] | None = None) -> dict[str, object]:
    meter = QualityMeter()
    for part in np.split(sound, marks or []):
        meter.push(part)
    values = dataclasses.asdict(meter.result())
    return {name: None if value != value else value for name, value in values.items()}  # NaN equals nothing


SOUND = np.concatenate([voice(50_000), np.zeros(20_000, np.float32), voice(40_000, seed=1, level=0.02)])
EXPECTED = measured(SOUND)


@given(marks=st.lists(st.integers(0, len(SOUND)), max_size=6).map(sorted))
@settings(max_examples=6, deadline=None)
def test_any_chunking_gives_the_same(marks: list[int]) -> None:
    assert measured(SOUND, marks) == EXPECTED


@pytest.mark.parametrize("samples", [1, 100, 1023, 1024, 1024 + 320 * (FEWEST_FRAMES - 1), RATE // 2, 48_000])
def test_any_length_gives_shares(samples: int) -> None:
    quality = signal_quality((voice(samples), RATE))
    assert quality.measures.duration == samples / RATE
    for share in (quality.speech_share, quality.music_share, quality.noise_share):
        assert 0 <= share <= 1
    assert quality.content in ("speech", "music", "noise", "silence")
    assert quality.speech_seconds <= quality.measures.duration


def test_silence_holds_nothing() -> None:
    quality = signal_quality((np.zeros(5 * RATE, np.float32), RATE))
    assert (quality.content, quality.speech_share, quality.music_share, quality.noise_share) == (
        "silence",
        0,
        0,
        0,
    )
    assert math.isnan(quality.snr_db)
    assert math.isnan(quality.bandwidth_hz)
    assert math.isnan(quality.several_speakers)


def test_a_short_sound_is_not_silence() -> None:
    quality = signal_quality((voice(3000), RATE))
    assert quality.content != "silence"
    assert quality.speech_share + quality.music_share + quality.noise_share >= 1


def test_nothing_at_all() -> None:
    with pytest.raises(NoAudioError):
        signal_quality((np.zeros(0, np.float32), RATE))
    assert QualityMeter().result().content == "silence"


def test_a_result_is_given_once_and_for_all() -> None:
    meter = QualityMeter()
    meter.push(SOUND[:RATE])
    assert meter.result() is meter.result()
    with pytest.raises(ValueError, match="after the result"):
        meter.push(SOUND)


def test_the_sample_is_clean_speech() -> None:
    quality = signal_quality(SAMPLE)
    assert quality.content == "speech"
    assert 0.6 < quality.speech_share < 0.95
    assert quality.snr_db > 20
    assert quality.bandwidth_hz > 7_000
    assert quality.music_share + quality.noise_share < 0.1


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording() -> None:
    import tracemalloc

    meter = QualityMeter()
    block = voice(10 * RATE)
    peaks = []
    tracemalloc.start()
    for minutes in (1, 4):
        for _ in range(6 * minutes):
            meter.push(block)
        peaks.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert peaks[1] - peaks[0] < 300_000


def test_shares_of_seconds() -> None:
    kinds = np.eye(len(KINDS), dtype=np.float32)[[0, 2, 3, 1, 0]]
    power = np.array([1e-2, 1e-2, 1e-2, 1e-2, 1e-9])
    seconds = Seconds(np.full(5, 50.0, np.float32), power, kinds, np.zeros(5, np.float32))
    shares = content_shares(seconds)
    assert shares == pytest.approx({"speech": 0.2, "music": 0.2, "noise": 0.4, "silence": 0.2})


def _clip(name: str) -> Array:
    assert DATA is not None
    return load(DATA / name).samples


def _quality(sound: Array) -> SignalQuality:
    return signal_quality((sound.astype(np.float32), RATE))


@needs_data
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("emodb/03a01Fa.flac", "speech"),
        ("non_speech/198-209-0000.ogg", "speech"),
        ("non_speech/kevin_macleod_-_p_i_tchaikovsky_dance_of_the_sugar_plum_fairy.ogg", "music"),
        ("non_speech/442789__lena-orsa__happy-music-pistachio-ice-cream-ragtime.ogg", "music"),
        ("non_speech/002_-_rain__3-132852-a.ogg", "noise"),
        ("non_speech/003_-_sea_waves__3-144827-a.ogg", "noise"),
    ],
)
def test_real_sounds_are_what_they_are(name: str, content: str) -> None:
    quality = _quality(_clip(name)[: 20 * RATE])
    assert quality.content == content
    assert (quality.speech_share > 0.5) == (content == "speech")


@needs_data
def test_snr_of_mixes() -> None:
    nominal = np.array([5.0, 15.0, 25.0])
    speech = np.concatenate([_clip(f"emodb/{name}.flac") for name in ("03a01Fa", "03a02Nc", "03a05Wa")])
    noise = np.resize(_clip("non_speech/002_-_rain__3-132852-a.ogg"), len(speech))
    gains = np.sqrt(np.mean(speech**2) / np.mean(noise**2) / 10 ** (nominal / 10))
    told = np.array([_quality(speech + gain * noise).snr_db for gain in gains])
    assert (np.diff(told) > 5).all()
    assert np.sqrt(np.mean((told - nominal) ** 2)) < 6


@needs_data
def test_a_telephone_is_narrow_and_still_speech() -> None:
    speech = _clip("non_speech/3436-172162-0000.ogg")
    quality = _quality(soxr.resample(soxr.resample(speech, RATE, 8_000), 8_000, RATE))
    assert 3_000 <= quality.bandwidth_hz <= 4_000
    assert quality.content == "speech"
    assert _quality(speech).bandwidth_hz > 6_000


@needs_data
def test_a_second_speaker_raises_the_score() -> None:
    def talk(*names: str) -> float:
        return _quality(np.concatenate([_clip(f"emodb/{name}.flac") for name in names])).several_speakers

    one = talk("03a01Fa", "03a02Nc", "03a05Wa", "03a04Ad", "03a07La", "03b01Td")
    two = talk("03a01Fa", "08a02Ac", "03a05Wa", "08a04La", "03a07La", "08b01Fd")
    assert two > 0.5 > one
