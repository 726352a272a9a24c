from __future__ import annotations

import numpy as np

from emotrace.segmentation.bands import BANDS
from emotrace.training.sounds import MUSIC, NOISE, SNR_RANGE, SPEECH, Mixer, Shelf, active


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
