"""The mixing and the training of the networks of the signal checks, on made sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from emotrace.segmentation.bands import BANDS
from emotrace.training import sound_network, voice_network
from emotrace.training.music import piece
from emotrace.training.sounds import MUSIC, NOISE, SNR_RANGE, SPEECH, VOICE, Mixer, Shelf, active, powers
from tests.voices import voice


def _shelf(corpora: dict[str, int], seed: int) -> Shelf:
    groups = {corpus: [f"{corpus}/{i}" for i in range(count)] for corpus, count in corpora.items()}
    sources = {
        name: [np.log(powers(voice(12_000, seed=seed + i + 10 * j))).astype(np.float16) for j in range(2)]
        for i, name in enumerate(n for names in groups.values() for n in names)
    }
    return Shelf(sources, groups)


@pytest.fixture(scope="module")
def shelves() -> dict[int, Shelf]:
    return {
        SPEECH: _shelf({"emodb": 6, "emospeech": 6}, 0),
        VOICE: _shelf({"emogator": 2}, 50),
        MUSIC: _shelf({"played": 2}, 70),
        NOISE: _shelf({"non_speech": 2}, 90),
    }


def test_examples_are_windows_with_what_is_known_of_them(shelves: dict[int, Shelf]) -> None:
    mixer = Mixer(shelves, np.random.default_rng(0))
    examples = [mixer.example(60) for _ in range(80)]
    assert {e.kind for e in examples} >= {SPEECH, MUSIC, NOISE}
    for example in examples:
        assert example.power.shape == (60, BANDS)
        assert np.isfinite(example.power).all()
        assert (example.power > 0).all()
        assert np.isnan(example.snr_db) or SNR_RANGE[0] <= example.snr_db <= SNR_RANGE[1]
        assert example.kind in (-1, SPEECH) or np.isnan(example.snr_db)


def test_active_frames_are_the_loud_ones() -> None:
    power = np.full((100, BANDS), 1e-9, np.float32)
    power[20:40] = power[45:60] = 1e-3
    assert np.array_equal(np.flatnonzero(active(power)), np.arange(20, 60))


def test_pieces_are_music_by_formula() -> None:
    sounds = [piece(seed, 2.0) for seed in range(4)]
    assert all(sound.shape == (32_000,) and np.isfinite(sound).all() for sound in sounds)
    assert all(0.4 < np.abs(sound).max() <= 0.5 for sound in sounds)
    assert len({sound.tobytes() for sound in sounds}) == 4


def test_the_sound_network_learns_and_is_written(shelves: dict[int, Shelf], tmp_path: Path) -> None:
    network = sound_network.fit(shelves, 3, batch=4)
    sound_network.write_graph(network, ("logits", "snr"), tmp_path / "sounds.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "sounds.onnx")
    bands = np.random.default_rng(0).normal(-8, 2, (3, 70, BANDS)).astype(np.float32)
    logits, snr = session.run(None, {"bands": bands})
    with torch.no_grad():
        expected = network(torch.from_numpy(bands))
    assert np.allclose(logits, expected[0].numpy(), atol=1e-2)
    assert np.allclose(snr, expected[1].numpy(), atol=0.1)


def test_the_voice_network_learns_and_is_written(shelves: dict[int, Shelf], tmp_path: Path) -> None:
    network = voice_network.fit(shelves, 2)
    sound_network.write_graph(network, ("embedding",), tmp_path / "voices.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "voices.onnx")
    [embeddings] = session.run(None, {"bands": np.zeros((2, 50, BANDS), np.float32)})
    assert embeddings.shape == (2, voice_network.EMBEDDING)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)
