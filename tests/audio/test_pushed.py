"""Chunks of sound become the samples that a file of them gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.audio import Decoder, PushedAudio
from emotrace.errors import AudioError, LimitError
from tests.voices import voice

RATES = (8000, 11025, 16000, 22050, 44100, 48000)
SOUND = (np.clip(voice(60_000, level=0.3), -1, 1) * 32767).astype(np.int16)


@given(st.sampled_from(RATES), st.lists(st.integers(0, len(SOUND)), max_size=30).map(sorted))
@settings(max_examples=40, deadline=None)
def test_any_chunks_give_the_same_samples_as_a_file(rate: int, marks: list[int]) -> None:
    decoder = Decoder((SOUND, rate))
    expected = np.concatenate(list(decoder))
    audio = PushedAudio(rate)
    parts = [audio.push(chunk) for chunk in np.split(SOUND, marks)] + [audio.finish()]
    found = np.concatenate(parts)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-6
    assert audio.clipping_share == decoder.clipping_share
    assert audio.seconds == len(SOUND) / rate


def test_channels_are_mixed_or_chosen_as_of_a_file() -> None:
    pair = np.stack([SOUND, SOUND[::-1]], axis=1)
    for channel in (None, 0, 1):
        expected = np.concatenate(list(Decoder((pair, 44100), channel=channel)))
        audio = PushedAudio(44100, channels=2, channel=channel)
        found = np.concatenate([audio.push(pair[:30_001]), audio.push(pair[30_001:]), audio.finish()])
        assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("chunk", "problem"),
    [
        (np.zeros((10, 2), np.int16), "shape"),
        (np.zeros(10, np.complex64), "complex64"),
        (np.array([0.0, np.nan], np.float32), "not finite"),
        (["a"], "type"),
        ([0, 16384, -16384], "int64"),
    ],
)
def test_a_chunk_that_is_no_sound_is_refused(chunk: object, problem: str) -> None:
    with pytest.raises(AudioError, match=problem):
        PushedAudio(16000).push(chunk)  # type: ignore[arg-type]


def test_what_cannot_be_a_stream_is_refused() -> None:
    with pytest.raises(AudioError, match="sampling rate 0"):
        PushedAudio(0)
    with pytest.raises(AudioError, match="0 channels"):
        PushedAudio(16000, channels=0)
    with pytest.raises(AudioError, match="no channel 3"):
        PushedAudio(16000, channels=2, channel=3).push(np.zeros((4, 2), np.int16))


def test_too_long_a_stream_is_refused_and_takes_nothing_of_the_chunk() -> None:
    audio = PushedAudio(8000, max_seconds=1.0)
    audio.push(np.zeros(8000, np.int16))
    with pytest.raises(LimitError, match="1 s"):
        audio.push(np.zeros(1, np.int16))
    assert audio.seconds == 1.0
