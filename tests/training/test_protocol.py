import numpy as np
import pytest

from emotrace.training.protocol import telephone_band, trim, with_noise


def test_telephone_band_keeps_its_middle_and_nothing_else() -> None:
    t = np.arange(16_000) / 16_000

    def gain(hz: float) -> float:
        tone = np.sin(2 * np.pi * hz * t).astype(np.float32)
        return float(np.std(telephone_band(tone)[4000:12_000]) / np.std(tone))

    assert gain(1000) == pytest.approx(1, abs=0.05)
    assert gain(80) < 0.05
    assert gain(6000) < 0.01


def test_noise_is_mixed_at_its_ratio() -> None:
    rng = np.random.default_rng(0)
    speech, noise = (rng.normal(size=n).astype(np.float32) for n in (8000, 3000))
    mixed = with_noise(speech, noise, 10.0)
    ratio = 10 * np.log10(np.mean(speech**2) / np.mean((mixed - speech) ** 2))
    assert ratio == pytest.approx(10, abs=0.01)


def test_trim_cuts_silence_off() -> None:
    sound = np.concatenate([np.zeros(3200), np.ones(6400), np.zeros(3200)]).astype(np.float32)
    assert len(trim(sound)) == 6400
