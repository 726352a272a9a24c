from __future__ import annotations

import math
from typing import Any

import pytest

from emotrace.errors import OptionError
from emotrace.postprocess.options import SegmentOptions, SmoothingOptions


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "ewma", "alpha": 0}, "alpha is 0"),
        ({"method": "ewma", "alpha": 1.5}, "alpha is 1.5"),
        ({"method": "ewma", "alpha": math.nan}, "alpha is nan"),
        ({"method": "vote", "window": 0}, "window is 0"),
        ({"method": "median", "window": 1002}, "window is 1002; expected at most 1001"),
        ({"method": "vote", "step": 0}, "step is 0"),
        ({"method": "hmm", "dwell": 0}, "dwell is 0"),
        ({"method": "hmm", "dwell": math.inf}, "dwell is inf"),
        ({"method": "hmm", "dwell": 1e20}, "dwell is 1e\\+20; expected less than or equal to 1000000"),
        ({"method": "hmm", "evidence": -1}, "evidence is -1"),
        ({"method": "hmm-online", "lag": -1}, "lag is -1"),
        ({"method": "hmm-online", "trend": -1}, "trend is -1"),
        ({"method": "hmm", "prior": [1, 2]}, "9 numbers above 0"),
        ({"method": "hmm", "transitions": [[1.0] * 9] * 9}, "that sum to 1"),
        ({"method": "hmm", "transitions": [[0.5, 0.5]]}, "9 rows of 9"),
        ({"method": "hmm", "transitions": []}, "9 rows of 9"),
        ({"method": "ewma", "window": 3}, "no effect on 'ewma'"),
        ({"method": "hmm", "lag": 3}, "no effect on 'hmm'"),
        ({"method": "viterbi", "trend": 0.1}, "no effect on 'viterbi'"),
        ({"method": "magic"}, "method is 'magic'"),
        ({"colour": "red"}, "there is no option 'colour'"),
    ],
)
def test_options_out_of_range(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        SmoothingOptions.of(**values)


def test_segment_options_out_of_range() -> None:
    for values in ({"margin": -0.1}, {"margin": 1}, {"min_duration": -1}, {"max_pause": math.inf}):
        with pytest.raises(OptionError):
            SegmentOptions.of(**values)
