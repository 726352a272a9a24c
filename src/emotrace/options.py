"""What all records of options have in common: frozen, validated once, with errors of one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emotrace.errors import OptionError

_O = TypeVar("_O", bound="Options")

_LONGEST = 60  # characters of a value that an error shows


class Options(BaseModel):
    """Base of the records of options.

    >>> from emotrace.recognition import RecognitionOptions
    >>> RecognitionOptions.of(whole_seconds=0)
    Traceback (most recent call last):
    emotrace.errors.OptionError: option whole_seconds is 0; expected greater than 0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def of(cls: type[_O], **values: Any) -> _O:
        """Validated options.

        Raises:
            OptionError: a value is out of range, or there is no such option.
        """
        return cls.read(values)

    @classmethod
    def read(cls: type[_O], values: Mapping[str, Any]) -> _O:
        """The same of a mapping, whose keys may be any text.

        Raises:
            OptionError: see :meth:`of`.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise OptionError(sentence(cls, error)) from error


def sentence(record: type[BaseModel], error: ValidationError) -> str:
    """The first thing that is wrong with given options, in one sentence.

    Args:
        record: what was to be made of them.
        error: of pydantic.
    """
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = f"; expected one of {', '.join(record.model_fields)}" if len(first["loc"]) == 1 else ""
        return f"there is no option {shortened(repr(name))}{known}"
    message = in_words(first["msg"])
    return f"option {name} is {shortened(repr(first['input']))}; {message}" if name else message


def in_words(message: str) -> str:
    """What was expected, without what a parser of pydantic's could not do.

    >>> in_words("Input should be a valid integer, unable to parse string as an integer")
    'expected a valid integer'
    """
    message = message.removeprefix("Value error, ")
    if message.startswith("Input should be a valid "):
        message = message.partition(", ")[0]
    return message.replace("Input should be", "expected")


def shortened(text: str) -> str:
    """A text of at most 60 characters.

    >>> len(shortened("a" * 100))
    60
    """
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
