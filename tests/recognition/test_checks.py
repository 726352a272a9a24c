"""Silence, offsets and snippets are refused, and never called neutral."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import Recognizer
from emotrace.audio import load
from emotrace.errors import EmotraceError, InputError, NoAudioError, NoSpeechError
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition.checks import is_silent
from emotrace.results import Array, Failure
from tests.audio.tones import encode
from tests.data import DATA, needs_data
from tests.voices import steady, voice

RECOGNIZER = Recognizer(encoder=FakeEncoder())


def refused(kind: type[EmotraceError], samples: Array, rate: int = 16000, **options: Any) -> str:
    """The one sentence that says why."""
    with pytest.raises(kind) as error:
        RECOGNIZER.recognize((samples, rate), **options)
    assert type(error.value) is kind
    assert "\n" not in str(error.value)
    return str(error.value)


@given(
    samples=st.integers(0, 5000),
    offset=st.floats(-1, 1),
    noise=st.sampled_from([0.0, 1e-9, 1e-4]),
)
@settings(max_examples=50, deadline=None)
def test_a_constant_is_silent_whatever_its_value(samples: int, offset: float, noise: float) -> None:
    rng = np.random.default_rng(0)
    assert is_silent((offset + noise * rng.uniform(-1, 1, samples)).astype(np.float32))


@given(
    start=st.integers(1000, 30_000), offset=st.sampled_from([0.0, 0.5]), seconds=st.sampled_from([0.05, 0.2])
)
@settings(max_examples=25, deadline=None)
def test_a_short_word_in_a_long_silence_is_none(start: int, offset: float, seconds: float) -> None:
    word = steady(seconds, 0.01)
    samples = np.full(32_000, offset, np.float32)
    samples[start : start + len(word)] += word[: len(samples) - start]
    assert not is_silent(samples)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("level", [0.0, 1e-12, 5e-5])
def test_silence_is_no_speech(whole: bool, level: float) -> None:
    told = refused(NoSpeechError, steady(2, level), segments=not whole)
    assert told.startswith("<array>")
    assert "holds only silence (2.00 s under -80 dB)" in told


@pytest.mark.parametrize("offset", [0.5, -1.0, 0.01])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_an_offset_alone_is_no_speech(offset: float, rate: int) -> None:
    told = refused(NoSpeechError, np.full(2 * rate, offset, np.float32), rate)
    assert f"only a constant offset of {offset:+.3f}" in told


@pytest.mark.parametrize(("container", "codec", "rate"), [("wav", "pcm_s16le", 44100), ("mp3", "mp3", 44100)])
def test_an_offset_alone_is_no_speech_in_files_either(container: str, codec: str, rate: int) -> None:
    content = encode(np.full(2 * rate, 0.5, np.float32), rate, container, codec)
    with pytest.raises(NoSpeechError):
        RECOGNIZER.recognize(content)
    assert len(load(content).samples) > 16000  # it was decoded


def test_very_quiet_speech_is_speech() -> None:
    assert not is_silent(voice(32_000, level=1e-3))
    result = Recognizer("compact", threads=1).recognize((voice(32_000, level=5e-4), 16000), frames=True)
    assert result.track is not None
    assert None not in result.track.emotions
    assert result.measures.silence_share > 0.5


@needs_data
def test_the_quietest_corpus_made_quieter_by_20_db_is_still_heard() -> None:
    assert DATA is not None
    clips = sorted((DATA / "ravdess").glob("*.flac"))[::40]
    assert len(clips) >= 10
    for clip in clips:
        assert not is_silent(load(clip).samples * np.float32(0.1)), clip.name


def test_speech_on_an_offset_is_speech() -> None:
    result = RECOGNIZER.recognize((voice(32000) + np.float32(0.3), 16000))
    assert "DC offset of +0.300" in " ".join(result.warnings)


@pytest.mark.parametrize("options", [{}, {"segments": True}])
def test_ten_milliseconds_are_too_short(options: dict[str, bool]) -> None:
    told = refused(InputError, steady(0.01, 0.5), **options)
    assert told == ("<array> is too short: it lasts 0.010 s; the model 'fake' needs at least 0.1 s of sound")
    assert refused(InputError, np.zeros(160, np.float32), **options) == told


def test_the_shortest_recording_that_is_taken() -> None:
    assert RECOGNIZER.recognize((steady(0.1, 0.5), 16000)).emotion == "neutral"
    refused(InputError, steady(0.1, 0.5)[:-1])


def test_no_sample_at_all() -> None:
    refused(NoAudioError, np.zeros(0, np.float32))


@pytest.mark.parametrize("options", [{}, {"segments": True}])
def test_samples_far_out_of_range_are_refused(options: dict[str, bool]) -> None:
    told = refused(InputError, np.float32(1e20) * voice(16000), **options)
    assert "expected -1 to 1: divide them by their full scale" in told


def test_integers_given_as_floats_are_recognised_with_a_warning() -> None:
    result = RECOGNIZER.recognize((np.float32(32768) * steady(2, 0.5), 16000))
    assert any("times full scale: are they scaled right?" in warning for warning in result.warnings)
    assert math.isfinite(result.confidence)


def test_a_name_of_two_lines_is_told_on_one(tmp_path: Any) -> None:
    path = tmp_path / "two\nlines 声音 😊.wav"
    path.write_bytes(encode(np.zeros(16000, np.float32), 16000))
    with pytest.raises(NoSpeechError) as error:
        RECOGNIZER.recognize(path)
    assert "\n" not in str(error.value)
    assert "two\\nlines 声音 😊.wav" in str(error.value)
    [failure] = RECOGNIZER.recognize_many([path])
    assert isinstance(failure, Failure)
    assert failure.source == str(path)


def test_the_built_in_model_calls_neither_silence_nor_an_offset_neutral() -> None:
    recognizer = Recognizer("compact", threads=1)
    for samples in (np.zeros(32000, np.float32), np.full(32000, 0.5, np.float32)):
        for segments in (False, True):
            with pytest.raises(NoSpeechError):
                recognizer.recognize((samples, 16000), segments=segments)
