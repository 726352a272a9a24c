from __future__ import annotations

import math

import pytest

from emotrace.errors import OptionError
from emotrace.postprocess.rules import Rules

NAN = math.nan


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
