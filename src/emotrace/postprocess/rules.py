"""A rule set: the thresholds of the rules of a verdict, and which of them drop a result."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from emotrace.errors import OptionError
from emotrace.options import in_words
from emotrace.postprocess.rule_table import CODES

CLASSIC_DROPS = frozenset({"low-confidence", "ambiguous", "no-clear-emotion"})
DROPS = frozenset({"no-clear-emotion", "too-short", "music", "not-speech"})
"""Rules that drop a result unless a rule set says otherwise; the others flag it.

Low confidence only flags: on clean clips of validation speakers the built-in model is under 0.6 on half of
them, and right on half of those.
"""
STRICT_DROPS = DROPS | CLASSIC_DROPS


def _off(value: object) -> object:
    if isinstance(value, bool | str) and value != "off":
        raise ValueError('expected a number, or "off"')
    return None if value == "off" else value


def _limit(default: float, low: float, high: float | None = None) -> Any:
    return Field(default=default, ge=low, le=high, allow_inf_nan=False)


_Number = Annotated[float | None, BeforeValidator(_off)]


class Rules(BaseModel):
    """The thresholds of all rules; None (``"off"``) switches a rule off.

    Attributes:
        min_confidence: 0 to 1.
        min_gap: between the two likeliest emotions, 0 to 1.
        min_top_score: largest score, 0 to 1.
        min_seconds: length of the recording.
        max_seconds: length of a recording that one label can stand for.
        max_silence_share: 0 to 1.
        min_snr_db: in dB.
        max_clipping_share: 0 to 1.
        min_bandwidth_hz: in Hz.
        max_music_share: 0 to 1.
        min_speech_of_sound: speech as a share of all sound, 0 to 1; 0 where nothing sounds.
        max_several_speakers: score, 0 to 1.
        max_switches_per_minute: changes of the label.
        drop: codes of the rules that drop a result; the others flag it.

    >>> Rules().min_confidence, Rules.of(min_snr_db="off").min_snr_db
    (0.6, None)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_confidence: _Number = _limit(0.6, 0, 1)
    min_gap: _Number = _limit(0.05, 0, 1)
    min_top_score: _Number = _limit(0.3, 0, 1)
    min_seconds: _Number = _limit(1.0, 0)
    max_seconds: _Number = _limit(30.0, 0)
    max_silence_share: _Number = _limit(0.8, 0, 1)
    min_snr_db: _Number = _limit(10.0, -30, 60)
    max_clipping_share: _Number = _limit(0.001, 0, 1)
    min_bandwidth_hz: _Number = _limit(4500.0, 0)
    max_music_share: _Number = _limit(0.3, 0, 1)
    min_speech_of_sound: _Number = _limit(0.2, 0, 1)
    max_several_speakers: _Number = _limit(0.5, 0, 1)
    max_switches_per_minute: _Number = _limit(60.0, 0)
    drop: frozenset[str] = DROPS

    @field_validator("drop")
    @classmethod
    def _known(cls, value: frozenset[str]) -> frozenset[str]:
        for code in sorted(value - set(CODES)):
            raise ValueError(f"there is no rule {code!r}; expected some of {', '.join(CODES)}")
        return value

    @classmethod
    def of(cls, **values: Any) -> Rules:
        """Validated rules.

        Raises:
            OptionError: a threshold is out of range, or there is no such one.

        >>> Rules.of(min_confidence=1.5)
        Traceback (most recent call last):
        emotrace.errors.OptionError: min_confidence is 1.5; expected less than or equal to 1
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(problem(error)[1]) from error

    def with_changes(self, **changes: Any) -> Rules:
        """These rules with some other thresholds.

        Raises:
            OptionError: see :meth:`of`.

        >>> Rules().with_changes(min_gap=0.1).min_gap
        0.1
        """
        return Rules.of(**{**self.model_dump(), **changes})


def problem(error: ValidationError) -> tuple[str, str]:
    """The key that is wrong in a rule set, and the sentence about it."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "rules"
    if first["type"] == "extra_forbidden":
        return name, f"there is no threshold {name!r}; expected one of {', '.join(Rules.model_fields)}"
    message = in_words(first["msg"])
    message = message.replace("a valid frozenset", "a list of codes of rules")
    return name, f"{name} is {first['input']!r}; {message}"
