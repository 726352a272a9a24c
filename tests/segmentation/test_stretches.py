"""Stretches lie where the speech is, whatever the stream looks like and however it is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emotrace.errors import OptionError
from emotrace.results import Array
from emotrace.segmentation import CutRule, Stretch, StretchCutter
from emotrace.segmentation.stretches import CHUNKS_PER_SECOND
from emotrace.segmentation.voice_activity import CHUNK

RATE = 16_000

levels = st.sampled_from([0.0, 0.2, 0.34, 0.35, 0.4, 0.49, 0.5, 0.8, 1.0])
lengths = st.one_of(st.integers(1, 40), st.sampled_from([400, 455, 461, 462, 463, 470, 700]))
runs = st.lists(st.tuples(levels, lengths), min_size=1, max_size=12)


@st.composite
def streams(draw: st.DrawFn) -> Array:
    """Probabilities: runs of one value, or of noise around it."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    noise = draw(st.sampled_from([0.0, 0.1, 0.4]))
    values = np.concatenate([np.full(count, value) for value, count in draw(runs)])
    return np.clip(values + noise * rng.uniform(-1, 1, len(values)), 0, 1).astype(np.float32)


@st.composite
def rules(draw: st.DrawFn) -> CutRule:
    on = draw(st.floats(0.3, 0.9))
    try:
        return CutRule(
            on=on,
            off=draw(st.floats(0.1, 1.0)) * on,
            pause=draw(st.floats(0.01, 2)),
            longest=draw(st.floats(0.5, 20)),
            shortest=draw(st.floats(0.01, 1)),
            margin=draw(st.floats(0, 0.5)),
        )
    except OptionError:
        assume(False)
        raise


either = st.one_of(st.just(CutRule()), rules())


def cut(probabilities: Array, rule: CutRule) -> list[Stretch]:
    cutter = StretchCutter(rule)
    return cutter.feed(probabilities) + cutter.finish()


def runs_of(true: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """First and one after the last index of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


@given(probabilities=streams(), rule=either, data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_chunking_gives_the_same(probabilities: Array, rule: CutRule, data: st.DataObject) -> None:
    expected = cut(probabilities, rule)
    marks = data.draw(st.lists(st.integers(0, len(probabilities)), max_size=8).map(sorted))
    cutter = StretchCutter(rule)
    got = [s for part in np.split(probabilities, marks) for s in cutter.feed(part)] + cutter.finish()
    assert got == expected


@given(probabilities=streams(), rule=either)
@settings(max_examples=200, deadline=None)
def test_stretches_are_in_order_apart_and_of_the_right_length(probabilities: Array, rule: CutRule) -> None:
    stretches = cut(probabilities, rule)
    shortest = max(1, round(rule.shortest * CHUNKS_PER_SECOND)) * CHUNK
    for stretch in stretches:
        assert 0 <= stretch.start < stretch.end <= len(probabilities) * CHUNK
        assert shortest <= stretch.end - stretch.start <= rule.longest * RATE
        assert stretch.start % CHUNK == stretch.end % CHUNK == 0
    assert all(a.end <= b.start for a, b in pairwise(stretches))


@given(probabilities=streams(), rule=either)
@settings(max_examples=200, deadline=None)
def test_all_speech_is_in_a_stretch(probabilities: Array, rule: CutRule) -> None:
    covered = np.zeros(len(probabilities), bool)
    for stretch in cut(probabilities, rule):
        covered[stretch.start // CHUNK : stretch.end // CHUNK] = True
    shortest = max(1, round(rule.shortest * CHUNKS_PER_SECOND))
    for first, last in runs_of(probabilities.astype(np.float64) >= rule.on):
        if last - first >= shortest:
            assert covered[first:last].all()


@given(probabilities=streams(), rule=either)
@settings(max_examples=200, deadline=None)
def test_no_stretch_without_speech(probabilities: Array, rule: CutRule) -> None:
    for stretch in cut(probabilities, rule):
        inside = probabilities[stretch.start // CHUNK : stretch.end // CHUNK]
        assert (inside >= np.float32(rule.off)).any()
    assert cut(np.zeros(len(probabilities), np.float32), rule) == []


@given(probabilities=streams(), rule=either, data=st.data())
@settings(max_examples=100, deadline=None)
def test_what_may_be_forgotten_is_never_asked_for_again(
    probabilities: Array, rule: CutRule, data: st.DataObject
) -> None:
    marks = data.draw(st.lists(st.integers(0, len(probabilities)), max_size=8).map(sorted))
    cutter = StretchCutter(rule)
    keep = 0
    longest = rule.longest * RATE
    for i, part in enumerate(np.split(probabilities, marks)):
        fed = ([0, *marks, len(probabilities)])[i + 1] * CHUNK
        assert all(s.start >= keep for s in cutter.feed(part))
        assert keep <= cutter.keep_from <= fed
        keep = cutter.keep_from
        assert fed - keep <= longest
    assert all(s.start >= keep for s in cutter.finish())


def test_a_pause_shorter_than_the_rule_says_does_not_cut() -> None:
    speech = np.repeat(np.array([1, 0, 1, 0], np.float32), [60, 15, 60, 60])
    assert len(cut(speech, CutRule())) == 1
    speech = np.repeat(np.array([1, 0, 1, 0], np.float32), [60, 16, 60, 60])
    assert len(cut(speech, CutRule())) == 2


def test_endless_speech_is_cut_where_it_is_least_likely() -> None:
    speech = np.full(700, 0.9, np.float32)
    speech[400] = 0.6
    stretches = cut(speech, CutRule())
    assert [s.end // CHUNK for s in stretches] == [400, 700]
    assert stretches[1].start == stretches[0].end


def test_a_pause_that_is_under_way_is_the_place_to_cut() -> None:
    rule = CutRule()
    speech = np.repeat(np.array([0.9, 0.1, 0.9, 0.0], np.float32), [455, 10, 100, 40])
    first, second = cut(speech, rule)
    assert (first.start, first.end // CHUNK) == (0, 455 + 3)
    assert second.start // CHUNK == 465 - 3


def test_the_rest_behind_a_cut_is_long_enough_to_be_a_stretch() -> None:
    """The least likely chunk is the very last before the cut, and then the speech is over."""
    speech = np.repeat(np.array([0.9, 0.6, 0.0], np.float32), [461, 1, 40])
    stretches = cut(speech, CutRule())
    assert stretches[-1].end // CHUNK >= 462
    assert len(stretches) == 2


def test_a_click_is_no_speech() -> None:
    click = np.repeat(np.array([0, 1, 0], np.float32), [30, 8, 30])
    assert cut(click, CutRule()) == []
    assert len(cut(np.repeat(np.array([0, 1, 0], np.float32), [30, 9, 30]), CutRule())) == 1


def test_speech_to_the_last_chunk_has_no_margin_beyond_it() -> None:
    [stretch] = cut(np.ones(50, np.float32), CutRule())
    assert (stretch.start, stretch.end) == (0, 50 * CHUNK)


def test_finish_says_it_once() -> None:
    cutter = StretchCutter()
    cutter.feed(np.ones(50, np.float32))
    assert len(cutter.finish()) == 1
    assert cutter.finish() == []


def test_what_is_not_a_number_is_not_speech() -> None:
    assert cut(np.full(200, np.nan, np.float32), CutRule()) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"on": 0.3}, "off is 0.35 and on is 0.3; expected 0 < off <= on <= 1"),
        ({"off": 0.0}, "expected 0 < off"),
        ({"on": 1.1}, "expected 0 < off"),
        ({"on": float("nan")}, "expected 0 < off"),
        ({"pause": 0.0}, "expected positive times"),
        ({"margin": -0.1}, "expected positive times"),
        ({"longest": 1.0}, "longest is 1.0 s; expected at least 1.99 s"),
        ({"longest": float("inf")}, "longest is inf s"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused(values: dict[str, float], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        CutRule(**values)
