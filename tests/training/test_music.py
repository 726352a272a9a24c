from __future__ import annotations

import numpy as np

from emotrace.training.music import piece


def test_pieces_are_music_by_formula() -> None:
    sounds = [piece(seed, 2.0) for seed in range(4)]
    assert all(sound.shape == (32_000,) and np.isfinite(sound).all() for sound in sounds)
    assert all(0.4 < np.abs(sound).max() <= 0.5 for sound in sounds)
    assert len({sound.tobytes() for sound in sounds}) == 4
