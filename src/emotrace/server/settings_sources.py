"""Where settings come from, and what is said when one is wrong."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from emotrace import options
from emotrace.errors import OptionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "EMOTRACE_"
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of one setting, for flags and documentation.

    Attributes:
        name: of the field, and the key in the TOML file.
        group: heading of its group.
        text: its line of the docstring.
        kind: its type, without None.
        default: as the field has it.
    """

    name: str
    group: str
    text: str
    kind: Any
    default: Any

    @property
    def secret(self) -> bool:
        """Whether it is never shown, and has no flag but that of a file that holds it."""
        return self.kind is SecretStr

    @property
    def several(self) -> bool:
        """Whether it is a list."""
        return get_origin(self.kind) is tuple

    @property
    def flag(self) -> str:
        """Of ``emotrace serve``, such as ``--max-bytes``."""
        return f"--{self.name.replace('_', '-')}{'-file' if self.secret else ''}"

    @property
    def variable(self) -> str:
        """In the environment, such as ``EMOTRACE_MAX_BYTES``."""
        return PREFIX + self.name.upper()

    @property
    def metavar(self) -> str:
        """What stands behind the flag."""
        if get_origin(self.kind) is Literal:
            return "|".join(map(str, get_args(self.kind)))
        if self.secret or self.kind is Path:
            return "PATH"
        if self.kind in (int, float):
            return "SECONDS" if self.name.endswith("seconds") else "N"
        return "TEXT"

    @property
    def shown(self) -> str:
        """The default for people; empty is none."""
        if self.default in (None, ()):
            return ""
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def settings_of(record: type[BaseSettings]) -> Iterator[Setting]:
    """All settings, group by group.

    Args:
        record: made of one class for each group.

    >>> from emotrace.server.settings import Settings
    >>> next(setting.variable for setting in settings_of(Settings) if setting.name == "port")
    'EMOTRACE_PORT'
    """
    for group in record.__bases__:
        if group is BaseSettings or not issubclass(group, BaseModel):
            continue
        heading, lines = _documented(group)
        for name, field in group.model_fields.items():
            yield Setting(name, heading, lines[name], _kind(field), field.default)


def secrets_of(record: type[BaseSettings]) -> list[str]:
    """Names of the secret settings."""
    return [name for name, field in record.model_fields.items() if _kind(field) is SecretStr]


def sources(
    record: type[BaseSettings], given: PydanticBaseSettingsSource, environment: PydanticBaseSettingsSource
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Flags, variables and the TOML file, those that count more first.

    Each may name a file ``X_file`` instead of a secret ``X``; texts become lists at commas.

    Raises:
        OptionError: a file cannot be read.
    """
    variables = environment()
    for name in secrets_of(record):
        if path := os.environ.get(f"{PREFIX}{name}_file".upper()):
            variables.setdefault(f"{name}_file", path)
    flags = given()
    config = flags.get("config") or variables.get("config")
    tables = read_toml(Path(config)) if config else {}
    return tuple(_Values(record, values) for values in (flags, variables, tables))


def read_toml(path: Path) -> dict[str, Any]:
    """The keys of a TOML file.

    Raises:
        OptionError: it cannot be read, or is no TOML.
    """
    text = _read(path, "a TOML file of settings")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise OptionError(f"the settings {str(path)!r} are no TOML: {problem}") from problem


def sentence(record: type[BaseSettings], error: ValidationError) -> str:
    """What is wrong with a setting; never the value of a secret."""
    first = error.errors(include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if name in secrets_of(record):
        return options.in_words(first["msg"])
    return options.sentence(record, error).replace("option ", "setting ", 1)


def toml_of(settings: BaseSettings) -> str:
    """All settings as a TOML file; secrets are left out, and those that are not set stand behind a ``#``."""
    lines: list[str] = []
    group = ""
    for setting in settings_of(type(settings)):
        if setting.group != group:
            group = setting.group
            lines.append(f"\n# {group}" if lines else f"# {group}")
        value = getattr(settings, setting.name)
        if setting.secret:
            lines.append(f'# {setting.name} = "..."' + ("" if value is None else "  # is set"))
        elif value is None or setting.name == "config":
            lines.append(f"# {setting.name} =")
        else:
            lines.append(f"{setting.name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A JSON text is a TOML one for what settings are made of."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def origin(name: str, given: Mapping[str, Any]) -> str:
    """Where a wrong setting stands, for the end of a sentence; empty where it is plain."""
    variable = PREFIX + name.upper()
    if name in given or f"{name}_file" in given:
        return ""
    if variable in os.environ:
        return f" (the variable {variable})"
    config = given.get("config") or os.environ.get(f"{PREFIX}CONFIG")
    return f" (in {str(config)!r})" if config else ""


class _Values(PydanticBaseSettingsSource):
    """One source whose values are there already."""

    def __init__(self, record: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(record)
        self._values = dict(values)
        for name in secrets_of(record):
            path = self._values.pop(f"{name}_file", None)
            if path is not None:
                self._values[name] = _secret(name, Path(path))
        for name, value in self._values.items():
            field = record.model_fields.get(name)
            if field is not None and get_origin(_kind(field)) is tuple and isinstance(value, str):
                self._values[name] = tuple(part.strip() for part in value.split(",") if part.strip())

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._values


def _secret(name: str, path: Path) -> str:
    what = f"one line with the {name}"
    text = _read(path, what).strip()
    if not text:
        raise OptionError(f"the {name} file {str(path)!r} is empty; expected {what}")
    return text


def _read(path: Path, expected: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = (getattr(problem, "strerror", None) or "").lower() or "it is not plain text"
        raise OptionError(f"{str(path)!r} cannot be read: {reason}; expected {expected}") from problem


def _kind(field: FieldInfo) -> Any:
    """The type of a field without None."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    optional = type(None) in get_args(field.annotation)
    return kinds[0] if optional and len(kinds) == 1 else field.annotation


def _documented(group: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Heading and lines of the docstring of a group."""
    heading, _, rest = inspect.cleandoc(group.__doc__ or "").partition("\n")
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", rest, re.MULTILINE | re.DOTALL)
    return heading.rstrip("."), {name: " ".join(text.split()) for name, text in found}
