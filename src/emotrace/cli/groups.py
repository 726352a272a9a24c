"""Options that belong together, as one record: written once, and handed on as one.

typer makes an option of each parameter of a function and has no groups of its own. Here a parameter may be a
dataclass; it stands for one option for each of its fields, which are annotated as parameters are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import update_wrapper
from typing import Any, TypeVar

_R = TypeVar("_R")
_NONE = inspect.Parameter.empty


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer can read it: with the options of its records instead of the records.

    Args:
        command: whose parameters may be dataclasses, which may hold others. A record as default gives its
            values as defaults of the options.
    """
    hints = _hints(command)
    own = inspect.signature(command).parameters
    options = [option for name, each in own.items() for option in _options(name, hints[name], each.default)]

    def call(**given: Any) -> None:
        values = {option.name: option.default for option in options} | given
        command(**{name: _value(name, hints[name], values) for name in own})

    update_wrapper(call, command)
    call.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    call.__annotations__ = {option.name: option.annotation for option in options}
    return call


def filled(record: type[_R], values: Mapping[str, Any]) -> _R:
    """A record, and those in it, of the values of all its options.

    Args:
        record: a dataclass.
        values: by the names of its fields, and of the fields of those in it.
    """
    hints = _hints(record)
    return record(**{name: _value(name, hint, values) for name, hint in hints.items()})


def flat(record: Any) -> dict[str, Any]:
    """The values of all options of a record and of those in it: what :func:`filled` takes."""
    values: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        values |= flat(value) if is_dataclass(value) else {field.name: value}
    return values


def given(record: Any) -> dict[str, Any]:
    """The values of a record's options that are not None."""
    return {name: value for name, value in flat(record).items() if value is not None}


def _hints(annotated: Any) -> dict[str, Any]:
    """Of a function's parameters or a record's fields.

    Not get_type_hints: in Python 3.10 it wraps what has None as default, and typer finds no option in that.
    """
    return inspect.get_annotations(annotated, eval_str=True)


def _value(name: str, hint: Any, values: Mapping[str, Any]) -> Any:
    return filled(hint, values) if isinstance(hint, type) and is_dataclass(hint) else values[name]


def _options(name: str, hint: Any, default: Any) -> Iterator[inspect.Parameter]:
    if not is_dataclass(hint):
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        return
    hints = _hints(hint)
    for field in fields(hint):
        inner = _usual(field) if default is _NONE else getattr(default, field.name)
        yield from _options(field.name, hints[field.name], inner)


def _usual(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return _NONE if field.default is MISSING else field.default
