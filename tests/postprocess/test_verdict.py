"""Rules and verdicts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.labels import LABELS
from emotrace.postprocess.presets import CLASSIC
from emotrace.postprocess.rule_table import Facts
from emotrace.postprocess.rules import Rules
from emotrace.postprocess.verdict import (
    judge,
    judge_facts,
    judge_scores,
    judge_signal,
    score_facts,
    switches_per_minute,
)
from emotrace.results import SignalMeasures, SignalQuality
from tests.outputs.made import made, track

NAN = math.nan


def quality(**changes: Any) -> SignalQuality:
    """Clean speech of four seconds."""
    fields: dict[str, Any] = {
        "measures": SignalMeasures(4.0, -20.0, -3.0, 0.0, 0.0, 0.1),
        "bandwidth_hz": 8000.0,
        "snr_db": 25.0,
        "speech_share": 0.8,
        "speech_seconds": 3.2,
        "music_share": 0.0,
        "noise_share": 0.1,
        "content": "speech",
        "several_speakers": 0.1,
    }
    return SignalQuality(**{**fields, **changes})


SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=9)


@given(SHARES)
def test_the_classic_rules_to_the_digit(shares: list[float]) -> None:
    scores = dict(zip(LABELS, shares, strict=False))
    first, second = sorted(shares, reverse=True)[:2]
    expected = (
        *(["low-confidence"] if first < 0.6 else []),
        *(["ambiguous"] if first - second < 0.05 else []),
        *(["no-clear-emotion"] if all(share < 0.3 for share in shares) else []),
    )
    verdict = judge_scores(scores, first, CLASSIC)
    assert verdict.codes == expected
    assert verdict.decision == ("drop" if expected else "keep")


@given(SHARES, SHARES)
def test_stricter_thresholds_never_give_fewer_reasons(shares: list[float], limits: list[float]) -> None:
    low, high = sorted(limits[:2])
    scores = dict(zip(LABELS, shares, strict=False))
    loose = set(judge_scores(scores, rules=CLASSIC.with_changes(min_confidence=low)).codes)
    assert loose <= set(judge_scores(scores, rules=CLASSIC.with_changes(min_confidence=high)).codes)


def test_scores_that_are_missing_or_nan() -> None:
    assert judge_scores({}).decision == "keep"
    assert judge_scores({}, 0.2).codes == ("low-confidence",)
    assert judge_scores({"happy": 0.9, "sad": NAN}).decision == "keep"
    assert score_facts({"happy": 0.9})["gap"] is not None
    assert math.isnan(score_facts({"happy": 0.9})["gap"])


def test_the_gravest_reason_decides_and_a_rule_set_may_say_which_is_grave() -> None:
    assert judge_facts(Facts(snr_db=3, seconds=0.5)).decision == "drop"
    facts = Facts(confidence=0.5, snr_db=3)
    assert judge_facts(facts, Rules(drop=frozenset())).decision == "flag"
    assert [reason.decision for reason in judge_facts(facts, Rules(drop=frozenset({"low-snr"}))).reasons] == [
        "flag",
        "drop",
    ]


def test_a_recognition_with_and_without_signal_checks() -> None:
    assert judge(made()).decision == "keep"
    short = made(duration=0.5)
    assert judge(short).codes == ("too-short",)
    quiet = made(measures=SignalMeasures(2.0, -60, -40, 0.0, 0.0, 0.9))
    assert judge(quiet).codes == ("mostly-silence",)
    assert judge(quiet, quality()).decision == "keep"  # the checks know better than the level
    clipped = made(measures=SignalMeasures(2.0, -6, 0, 0.01, 0.0, 0.0))
    assert judge(clipped).codes == ("clipped",)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, ()),
        ({"snr_db": 4.0, "bandwidth_hz": 3400.0}, ("low-snr", "narrow-band")),
        ({"snr_db": NAN, "bandwidth_hz": NAN, "several_speakers": NAN}, ()),
        ({"speech_share": 0.1, "music_share": 0.8, "noise_share": 0.0}, ("music",)),
        ({"speech_share": 0.1, "noise_share": 0.8}, ("not-speech",)),
        ({"speech_share": 0.1, "noise_share": 0.0}, ("mostly-silence",)),
        ({"speech_share": 0.0, "noise_share": 0.0}, ("mostly-silence", "not-speech")),
        ({"several_speakers": 0.9}, ("several-speakers",)),
        ({"measures": SignalMeasures(90.0, -20, -3, 0.2, 0, 0)}, ("too-long", "clipped")),
    ],
)
def test_signal_checks(changes: dict[str, Any], codes: tuple[str, ...]) -> None:
    assert judge_signal(quality(**changes)).codes == codes


def test_switches() -> None:
    steps = [*["happy"] * 50, *["sad"] * 50, *["happy"] * 50]
    assert switches_per_minute(track(steps)) == pytest.approx(2 * 60 / 6.0)
    with_pause = [*["happy"] * 75, *[None] * 50, *["sad"] * 75]
    assert switches_per_minute(track(with_pause)) == 0.0
    assert math.isnan(switches_per_minute(track(["happy", "sad"] * 20)))
    assert math.isnan(switches_per_minute(None))
    assert judge(made(track=track(["happy", "sad"] * 100))).codes == ("unstable",)


@pytest.mark.parametrize("piece", [1, 2, 7, 150, 151])
def test_switches_are_counted_in_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.postprocess.verdict.PIECE", piece)
    steps = [*["happy"] * 49, *["sad"] * 50, *[None] * 2, *["happy", "sad"] * 25]
    assert switches_per_minute(track(steps)) == pytest.approx(50 * 60 / (149 * 0.04))
