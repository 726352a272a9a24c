from __future__ import annotations

import pytest

from emotrace import errors
from emotrace.cli import exit_codes
from emotrace.errors import EmotraceError
from tests.error_tree import KINDS


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k is not EmotraceError])
def test_every_error_has_the_exit_code_of_its_kind(kind: type[EmotraceError]) -> None:
    expected = {
        errors.NoSpeechError: 4,
        errors.InputError: 3,
        errors.ModelError: 6,
        errors.DeviceError: 6,
        errors.MissingExtraError: 6,
        errors.OptionError: 2,
        errors.OutputError: 7,
        errors.StoreError: 7,
        errors.ServerError: 10,
        errors.ObjectStoreError: 3,
    }
    assert exit_codes.of_error(kind.code) == next(c for k, c in expected.items() if issubclass(kind, k))


@pytest.mark.parametrize(
    ("succeeded", "failures", "code"),
    [
        (3, [], 0),
        (0, [], 0),
        (0, ["audio", "no-audio", "limit"], 3),
        (0, ["no-speech", "no-speech"], 4),
        (0, ["no-speech", "audio"], 3),
        (1, ["audio"], 5),
        (1, ["no-speech"], 5),
        (1, ["output"], 7),
        (0, ["audio", "output"], 7),
        (5, ["audio", "output", "bug"], 1),
    ],
)
def test_the_code_of_a_run(succeeded: int, failures: list[str], code: int) -> None:
    assert exit_codes.of_run(succeeded, failures) == code


def test_every_code_has_a_meaning_and_stands_in_the_help() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(exit_codes.MEANINGS)
    for code, meaning in exit_codes.MEANINGS.items():
        assert f"  {code:<4} {meaning}" in exit_codes.epilog()
