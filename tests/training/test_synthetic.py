from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from emotrace.training.synthetic import RATE, SECONDS, non_speech


def test_ninety_sounds_of_six_kinds_none_of_them_twice() -> None:
    sounds = non_speech()
    kinds = Counter(name.rsplit("-", 1)[0] for name in sounds)
    assert kinds == {"noise": 20, "melody": 30, "tones": 15, "sweep": 5, "hum": 10, "clicks": 10}
    assert len({samples.tobytes() for samples in sounds.values()}) == 90


def test_sounds_are_finite_and_of_one_loudness_and_length() -> None:
    for samples in non_speech().values():
        assert samples.dtype == np.float32
        assert samples.shape == (int(RATE * SECONDS),)
        assert np.abs(samples).max() == pytest.approx(0.3, abs=1e-6)
        assert samples.std() > 1e-3


def test_sounds_are_the_same_in_every_run_and_disturb_nobodys_random_numbers() -> None:
    code = """
import hashlib
import numpy as np
from emotrace.training.synthetic import non_speech
before = np.random.get_state()[1].tolist()
sounds = [np.round(s * 1e4).astype("<i2") for s in non_speech().values()]
assert np.random.get_state()[1].tolist() == before
print(hashlib.sha256(np.concatenate(sounds).tobytes()).hexdigest())
"""
    here = np.concatenate([np.round(s * 1e4).astype("<i2") for s in non_speech().values()])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(here.tobytes()).hexdigest()
