"""Measures: right on signals whose answer is known, and the same for any chunking."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.audio import MeasureMeter, measure
from emotrace.audio.measures import ClippingMeter
from emotrace.results import Signal
from tests.audio.tones import Floats, tone


def clipped_share(values: list[float]) -> float:
    """Share of clipped samples among a few."""
    return measure(np.array(values, np.float32)).clipping_share


def in_chunks(samples: Floats, cuts: list[int]) -> list[Floats]:
    """The samples, cut at some places."""
    return np.split(samples, sorted(min(cut, len(samples)) for cut in cuts))


@pytest.mark.parametrize("amplitude", [1.0, 0.5, 0.01])
def test_levels_of_a_sine(amplitude: float) -> None:
    measures = measure(tone(440, 1, amplitude=amplitude))
    assert measures.peak_db == pytest.approx(20 * math.log10(amplitude), abs=0.01)
    assert measures.level_db == pytest.approx(20 * math.log10(amplitude) - 3.01, abs=0.01)
    assert measures.dc_offset == pytest.approx(0, abs=1e-6)
    assert measures.duration == 1


def test_a_full_scale_square_wave_has_level_zero() -> None:
    measures = measure(np.sign(tone(100.5, 1)) + np.float32(0))
    assert measures.level_db == pytest.approx(0, abs=0.01)
    assert measures.clipping_share == pytest.approx(1, abs=0.001)


def test_digital_silence() -> None:
    measures = measure(np.zeros(16000, np.float32))
    assert measures.level_db == measures.peak_db == -math.inf
    assert (measures.silence_share, measures.clipping_share, measures.dc_offset) == (1, 0, 0)


def test_nothing_at_all() -> None:
    measures = measure(np.zeros(0, np.float32))
    assert measures.duration == 0
    assert measures.level_db == measures.peak_db == -math.inf
    assert (measures.silence_share, measures.clipping_share, measures.dc_offset) == (1, 0, 0)


def test_offset() -> None:
    assert measure(tone(440, 1) + np.float32(0.125)).dc_offset == pytest.approx(0.125, abs=1e-6)


@pytest.mark.parametrize(("level_db", "share"), [(-59.9, 0.0), (-60.1, 1.0)])
def test_silence_begins_under_60_db(level_db: float, share: float) -> None:
    assert measure(np.full(3200, 10 ** (level_db / 20), np.float32)).silence_share == share


def test_silence_is_counted_in_whole_frames_of_20_ms() -> None:
    samples = np.zeros(320 * 4 + 100, np.float32)
    samples[320 * 3 :] = 0.1
    assert measure(samples).silence_share == 0.75
    assert measure(samples[-50:]).silence_share == 0
    assert measure(samples[:50]).silence_share == 1


def test_the_rate_sets_frames_and_duration() -> None:
    samples = np.concatenate([np.zeros(160, np.float32), np.full(160, 0.1, np.float32)])
    measures = measure(Signal(samples, 8000))
    assert (measures.duration, measures.silence_share) == (0.04, 0.5)
    assert measure(samples, 8000) == measures


def test_what_is_clipped() -> None:
    assert clipped_share([0, 1, 1, 0]) == 0.5
    assert clipped_share([0, -1, -1, -1]) == 0.75
    assert clipped_share([0, 1, 0, 1]) == 0  # one sample is no flat top
    assert clipped_share([0, 1, -1, 0]) == 0
    assert clipped_share([0, 0.98, 0.98, 0]) == 0  # a flat top, but below full scale
    assert clipped_share([0, 0.99, 0.995, 0]) == 0  # high, but not flat
    assert clipped_share([0, 1.2, 1.2, 0]) == 0.5


def test_a_loud_sine_is_not_clipped() -> None:
    assert measure(tone(440, 1, amplitude=0.999)).clipping_share < 0.005
    assert measure(np.clip(tone(440, 1, amplitude=1.2), -1, 1)).clipping_share > 0.3


def test_a_clipping_share_from_elsewhere() -> None:
    meter = MeasureMeter()
    meter.update(tone())
    assert meter.result(clipping_share=0.25) == dataclasses.replace(meter.result(), clipping_share=0.25)


SIGNALS = st.builds(
    lambda seed, count, gain: np.clip(
        np.cumsum(np.random.default_rng(seed).normal(0, gain, count)), -1, 1
    ).astype(np.float32),
    st.integers(0, 1000),
    st.integers(0, 3000),
    st.sampled_from([1e-4, 0.01, 0.1, 1.0]),
)


@given(samples=SIGNALS, cuts=st.lists(st.integers(0, 3000), max_size=12))
def test_chunks_change_no_measure(samples: Floats, cuts: list[int]) -> None:
    meter = MeasureMeter()
    for chunk in in_chunks(samples, cuts):
        meter.update(chunk)
    whole, parts = dataclasses.asdict(measure(samples)), dataclasses.asdict(meter.result())
    assert parts == pytest.approx(whole, abs=1e-6, rel=1e-6)
    assert meter.result() == meter.result()  # asking changes nothing


@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 0.99, 1.0, -1.0]), max_size=60),
    cuts=st.lists(st.integers(0, 60)),
)
def test_clipping_is_what_its_definition_says(values: list[float], cuts: list[int]) -> None:
    samples = np.array(values, np.float32)
    meter = ClippingMeter()
    for chunk in in_chunks(samples, cuts):
        meter.update(chunk)
    neighbours = [{*values[max(0, i - 1) : i], *values[i + 1 : i + 2]} for i in range(len(values))]
    flat = sum(abs(value) > 0.9 and value in around for value, around in zip(values, neighbours, strict=True))
    assert meter.share == (flat / len(values) if values else 0)


def test_channels_do_not_mix_in_the_clipping_meter() -> None:
    meter = ClippingMeter()
    meter.update(np.array([0, 1], np.float32), 0)
    meter.update(np.array([1, 0], np.float32), 1)
    assert meter.share == 0
    meter.update(np.array([1, 0], np.float32), 0)
    assert meter.share == 2 / 6


def test_an_hour_takes_constant_memory() -> None:
    block = tone(440, 10)
    meter = MeasureMeter()
    meter.update(block)
    tracemalloc.start()
    for _ in range(20):
        meter.update(block)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000
    assert peak < 30 * len(block)
