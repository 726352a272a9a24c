"""Rules and verdicts."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import OptionError
from emotrace.labels import LABELS
from emotrace.postprocess.presets import CLASSIC
from emotrace.postprocess.rule_table import CODES, RULES, Facts, Rule
from emotrace.postprocess.rules import DROPS, Rules
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

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
NAN = math.nan

rules = pytest.mark.parametrize("rule", RULES, ids=CODES)


def beside(rule: Rule, beyond: bool) -> float:
    """A value just beyond the threshold of a rule, or exactly on it."""
    limit = float(getattr(Rules(), rule.threshold))
    return (
        float(np.nextafter(limit, -np.inf if rule.threshold.startswith("min_") else np.inf))
        if beyond
        else limit
    )


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


@rules
def test_a_rule_fires_beyond_its_threshold_and_not_on_it(rule: Rule) -> None:
    assert judge_facts(Facts(**{rule.fact: beside(rule, False)})).decision == "keep"
    verdict = judge_facts(Facts(**{rule.fact: beside(rule, True)}))
    assert verdict.codes == (rule.code,)
    assert verdict.decision == ("drop" if rule.code in DROPS else "flag")
    [reason] = verdict.reasons
    assert (reason.value, reason.threshold) == (beside(rule, True), getattr(Rules(), rule.threshold))


@rules
def test_a_rule_that_is_off_or_has_no_number_does_not_fire(rule: Rule) -> None:
    fact = {rule.fact: beside(rule, True)}
    assert judge_facts(Facts(**fact), Rules.of(**{rule.threshold: "off"})).decision == "keep"
    assert judge_facts(Facts(**{rule.fact: NAN})).decision == "keep"


@rules
def test_sentences_are_whole_in_both_languages(rule: Rule) -> None:
    [reason] = judge_facts(Facts(**{rule.fact: beside(rule, True)})).reasons
    chinese = re.compile("[\u4e00-\u9fff]")
    for text in (reason.sentence, reason.advice):
        assert text
        assert not chinese.search(text)
    for text in (reason.sentence_zh, reason.advice_zh):
        assert chinese.search(text)
    limit = format(reason.threshold, rule.form)
    assert limit in reason.sentence
    assert limit in reason.sentence_zh
    assert reason.sentence != rule.sentence.format(value=limit, limit=limit)  # the value is seen to be beyond
    assert "{" not in reason.sentence + reason.sentence_zh


def test_every_rule_has_its_own_code_fact_and_threshold() -> None:
    assert len(set(CODES)) == len(RULES) == 13
    assert {rule.fact for rule in RULES} == {field.name for field in dataclasses.fields(Facts)}
    thresholds = set(Rules.model_fields) - {"drop"}
    assert {rule.threshold for rule in RULES} == thresholds
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", code) for code in CODES)
    assert set(CODES) >= DROPS


def test_the_page_lists_every_rule_with_its_threshold_and_its_decision() -> None:
    if not PAGE.exists():
        pytest.skip("installed without the documentation")
    rows = re.findall(
        r"^\| `([a-z-]+)` \| `(\w+)` \| (\S+) \| (\w+) \|", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert rows == [
        (
            rule.code,
            rule.threshold,
            f"{getattr(Rules(), rule.threshold):g}",
            "drop" if rule.code in DROPS else "flag",
        )
        for rule in RULES
    ]


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
        ({"speech_share": 0.0, "noise_share": 0.0}, ("mostly-silence",)),
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


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="min_gap is -1; expected greater than or equal to 0"):
        Rules.of(min_gap=-1)
    with pytest.raises(OptionError, match="there is no threshold 'min_gapp'; expected one of min_confidence"):
        Rules.of(min_gapp=1)
    with pytest.raises(OptionError, match="there is no rule 'quiet'"):
        Rules.of(drop=["quiet"])
    with pytest.raises(OptionError, match='expected a number, or "off"'):
        Rules().with_changes(min_gap=True)
    with pytest.raises(OptionError, match="expected a finite number"):
        Rules.of(min_snr_db=NAN)
