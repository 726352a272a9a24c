"""Stand-ins for what recognition stands on, simple enough to know every answer in advance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from emotrace.models.encoder import Encoding, FakeEncoder
from emotrace.results import Array, Recognition
from emotrace.segmentation.voice_activity import CHUNK


class LevelActivity:
    """Voice activity that takes for speech whatever is louder than -40 dB; any chunking gives the same."""

    def __init__(self) -> None:
        self._rest: Array = np.zeros(0, np.float32)

    def feed(self, samples: Array) -> Array:
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // CHUNK
        self._rest = samples[whole * CHUNK :]
        chunks = samples[: whole * CHUNK].reshape(whole, CHUNK)
        return np.asarray(np.abs(chunks).mean(1) > 0.01, np.float32)

    def finish(self) -> Array:
        return self.feed(np.zeros(-len(self._rest) % CHUNK, np.float32))


def heard_by_level() -> mock._patch[type[LevelActivity]]:
    """A context in which recordings are cut by their level instead of a network."""
    return mock.patch("emotrace.recognition.cutting.VoiceActivity", LevelActivity)


class SpeakerFake(FakeEncoder):
    """A FakeEncoder whose reference is the level of the speaker: subtracted, it leaves angry (label 0)."""

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        encodings = super().encode(waveforms, references)
        return [replace(e, spectrum=e.embedding[:1]) for e in encodings]


class Plain(FakeEncoder):
    """A FakeEncoder that uses no speaker reference."""

    def __init__(self) -> None:
        super().__init__()
        self.card = self.card.model_copy(update={"reference_size": 0})

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        assert references is None or all(r is None for r in references)
        encodings = super().encode(waveforms, references)
        return [replace(e, spectrum=np.zeros(0, np.float32)) for e in encodings]


def assert_same(a: Recognition, b: Recognition, tolerance: float = 0.0) -> None:
    """Two results say the same, but for what the source is called."""
    for field in ("emotion", "duration", "model", "speech_duration", "reference", "warnings"):
        assert getattr(a, field) == getattr(b, field), field
    assert astuple(a.measures) == pytest.approx(astuple(b.measures), abs=1e-7)
    close: dict[str, Any] = {"rtol": 0.0, "atol": tolerance, "equal_nan": True}
    assert np.allclose(list(a.scores.values()), list(b.scores.values()), **close)
    assert np.allclose(list(a.shares.values()), list(b.shares.values()), **close)
    assert list(a.shares) == list(b.shares)
    assert [(s.start, s.end, s.emotion) for s in a.segments] == [
        (s.start, s.end, s.emotion) for s in b.segments
    ]
    assert np.allclose(a.embedding, b.embedding, **close)
    assert (a.track is None) == (b.track is None)
    if a.track and b.track:
        assert np.array_equal(a.track.times, b.track.times)
        assert np.allclose(a.track.probabilities, b.track.probabilities, **close)
    for one, other in ((a.frame_embeddings, b.frame_embeddings), (a.frame_times, b.frame_times)):
        assert (one is None) == (other is None)
        assert one is None or other is None or np.allclose(one, other, **close)
