from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from emotrace.cli.commands import root
from emotrace.cli.options import Smoother, Tuning
from emotrace.postprocess.options import (
    DWELL,
    EVIDENCE,
    MEDIAN_WINDOW,
    TREND,
    VOTE_WINDOW,
    Method,
    SmoothingOptions,
)


def test_the_smoothers_are_those_of_the_library() -> None:
    assert set(get_args(Smoother)) == {*get_args(Method), "voting"}


def test_every_number_that_tunes_one_is_a_flag() -> None:
    made_elsewhere = {"method", "step", "prior", "transitions"}
    assert {field.name for field in fields(Tuning)} == SmoothingOptions.model_fields.keys() - made_elsewhere


@pytest.mark.parametrize("command", ["analyze", "smooth"])
def test_the_help_says_the_defaults_of_the_library(command: str) -> None:
    usual = SmoothingOptions()
    said = {option.name: option.help for option in root().commands[command].params}
    assert said["window"].endswith(f"[default: {VOTE_WINDOW}; {MEDIAN_WINDOW} for the median]")
    assert said["alpha"].endswith(f"[default: {usual.alpha:g}]")
    assert said["dwell"].endswith(f"[default: {DWELL:g}]")
    assert said["lag"].endswith(f"[default: {usual.lag:g}]")
    assert said["trend"].endswith(f"short of {TREND:g}]")
    evidence = ", ".join(f"{value:g} for {method}" for method, value in EVIDENCE.items())
    assert said["evidence"].endswith(f"[default: {evidence}]")
