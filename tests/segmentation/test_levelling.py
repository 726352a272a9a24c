"""Quiet speech is raised, contrasts stay, and chunks do not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.results import Array
from emotrace.segmentation import VoiceActivity
from emotrace.segmentation.levelling import AHEAD, Leveller
from emotrace.segmentation.voice_activity import CHUNK
from tests.data import DATA, needs_data
from tests.voices import voice

SOUND = voice(30_000, level=0.01)


def levelled(sound: Array) -> Array:
    leveller = Leveller()
    return np.concatenate([leveller.feed(sound), leveller.finish()])


EXPECTED = levelled(SOUND)


@given(marks=st.lists(st.integers(0, len(SOUND)), max_size=9).map(sorted))
@settings(max_examples=25, deadline=None)
def test_any_chunking_gives_the_same(marks: list[int]) -> None:
    leveller = Leveller()
    parts = [leveller.feed(part) for part in np.split(SOUND, marks)]
    assert np.array_equal(np.concatenate([*parts, leveller.finish()]), EXPECTED)


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 513, AHEAD * CHUNK + 700])
def test_not_a_sample_is_lost(samples: int) -> None:
    assert len(levelled(np.ones(samples, np.float32))) == samples


def test_quiet_sound_is_raised_and_loud_sound_left_alone() -> None:
    assert np.abs(levelled(voice(16_000, level=0.001))).max() > 0.2
    loud = voice(16_000, level=0.25)
    assert np.allclose(levelled(loud), np.clip(loud, -1, 1), rtol=0.35)
    assert not levelled(np.zeros(16_000, np.float32)).any()


def test_a_pause_is_not_raised_to_the_level_of_the_word_after_it() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-3, 32_000).astype(np.float32)
    sound = np.concatenate([noise, voice(16_000, level=0.2)])
    assert np.abs(levelled(sound)[:32_000]).max() < 0.05


@needs_data
def test_whispered_levels_are_still_speech() -> None:
    from emotrace.audio import load

    assert DATA is not None
    speech = load(DATA / "emodb" / "03a01Fa.flac").samples * np.float32(0.003)
    found = []
    for sound in (speech, levelled(speech)):
        activity = VoiceActivity()
        found.append(float(np.mean(np.concatenate([activity.feed(sound), activity.finish()]) > 0.5)))
    assert found[0] < 0.2
    assert found[1] > 0.6
