from __future__ import annotations

import pytest

from emotrace.cli.groups import filled, flat
from emotrace.cli.request import Request
from emotrace.errors import OptionError
from emotrace.postprocess.presets import BUILTIN
from emotrace.server.forms import RecognitionForm
from emotrace.server.settings import Settings

SERVERS = {"precision", "device", "runtime", "threads", "presets"}
"""What the server's owner decides."""

COMMAND_LINES = {"inputs", "json", "out", "csv", "plot", "server", "one_speaker", "references", "lang"}
"""What is about several files, the terminal, or files to be written; references come as files."""

SERVICES = {"store", "format", "language"}
"""What of --json, --csv, --out and --plot, and of the language of the terminal, is about an answer."""


USUAL = flat(Request(["a.wav"]))
"""Every option of the command line with its default."""


def test_a_client_has_every_option_of_the_command_line_that_makes_sense_for_it() -> None:
    asked = USUAL.keys() - {"no_checks"} | {"checks"}
    assert set(RecognitionForm.model_fields) - SERVICES <= asked
    assert asked - set(RecognitionForm.model_fields) == (SERVERS | COMMAND_LINES) & asked


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"granularity": "frame", "hop": "0.1", "track_method": "frame-head"},
        {"granularity": "segment", "whole_seconds": "10", "channel": "1"},
        {"smooth": "voting", "window": "25", "preset": "customer-service"},
        {"smooth": "hmm-online", "dwell": "4", "lag": "0", "hop": "0.2", "evidence": "5", "trend": "0.1"},
        {"smooth": "ewma", "alpha": "0.5", "checks": "false"},
    ],
)
def test_the_options_are_those_of_the_command_line(given: dict[str, str]) -> None:
    form = RecognitionForm.read(given)
    values = {name: getattr(form, name) for name in form.model_fields_set}
    given_there = USUAL | {"max_seconds": 3600.0, "no_checks": not values.pop("checks", True)} | values
    expected = filled(Request, given_there).options()
    options = form.options(Settings(), BUILTIN)
    for name in type(options).model_fields:
        if name != "recognition":
            assert getattr(options, name) == getattr(expected, name)
    ours, theirs = options.recognition.model_dump(), expected.recognition.model_dump()
    assert {**ours, "limits": None} == {**theirs, "limits": None}
    assert options.recognition.limits.max_seconds == 3600.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hop": "0.1"}, "hop has no effect"),
        ({"track_method": "auto"}, "track_method has no effect"),
        ({"window": "5"}, "window has no effect without smooth"),
        ({"smooth": "vote", "dwell": "3"}, "dwell"),
        ({"smooth": "loud"}, "smooth is 'loud'"),
        ({"format": "bmp"}, "format is 'bmp'; expected one of json, csv"),
        ({"format": "csv", "embedding": "true"}, "embedding has no effect"),
        ({"format": "json", "language": "zh"}, "language has no effect"),
        ({"preset": "nobody"}, "no preset 'nobody'"),
        ({"granularity": "frame", "hop": "0.03"}, "multiple of 0.02"),
        ({"max_seconds": "3601"}, "at most 3600"),
        ({"channel": "left"}, "channel is 'left'; expected a valid integer$"),
        ({"checks": "perhaps"}, "checks is 'perhaps'; expected a valid boolean$"),
        ({"model": "x" * 1000, "wat": ""}, "no option 'wat'"),
    ],
)
def test_what_is_out_of_range_or_without_effect_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        RecognitionForm.read(given).options(Settings(), BUILTIN)
    assert len(str(caught.value)) < 300
