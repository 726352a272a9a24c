from __future__ import annotations

import math
from typing import Any

import pytest

from emotrace.errors import OptionError
from emotrace.server.settings import Settings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"token": "x" * 15}, "15 characters; expected at least 16"),
        ({"token": "two words and more of them"}, "spaces"),
        ({"token": "geheimnis-über-alles"}, "ASCII"),
        ({"port": 70000}, "port is out of range"),
        ({"workers": -1}, "workers"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"max_seconds": math.inf}, "max_seconds"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"device": "tpu"}, "device"),
        ({"colour": "red"}, "there is no setting 'colour'"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        Settings.of(**values)
    assert "\n" not in str(caught.value)
    assert "über" not in str(caught.value)


def test_a_token_is_never_shown() -> None:
    settings = Settings.of(token="correct-horse-battery")
    assert "horse" not in repr(settings) + str(settings) + settings.model_dump_json()
