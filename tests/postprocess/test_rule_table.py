from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest

from emotrace.postprocess.rule_table import CODES, RULES, Facts, Rule
from emotrace.postprocess.rules import DROPS, Rules
from emotrace.postprocess.verdict import (
    judge_facts,
)

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
