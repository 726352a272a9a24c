"""Named rule sets: those that come with emotrace, and the user's own from a TOML file.

The user's file is ``presets.toml`` in the folder that :func:`emotrace.models.registry.home` names
(``EMOTRACE_HOME``), and any other that is asked for::

    [night-shift]
    extends = "customer-service"    # "default" if left out
    description = "calls at night"
    min_confidence = 0.65
    min_snr_db = "off"
    drop = ["low-confidence", "music"]
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emotrace.errors import InputError, OptionError
from emotrace.models.registry import home
from emotrace.postprocess.files import content_of
from emotrace.postprocess.rules import CLASSIC_DROPS, STRICT_DROPS, Rules, problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRESETS_FILE = "presets.toml"
MAX_BYTES = 1_000_000

_SCORES = ("min_confidence", "min_gap", "min_top_score", "drop")


@dataclass(frozen=True, slots=True)
class Preset:
    """A rule set with a name.

    Attributes:
        name: what it is called.
        description: what it is for.
        rules: its thresholds.
        origin: path of its file; empty if it comes with emotrace.
    """

    name: str
    description: str
    rules: Rules
    origin: str = ""


CLASSIC = Rules(**{name: None for name in Rules.model_fields if name not in _SCORES}, drop=CLASSIC_DROPS)
"""The three rules of the classic quality filter, and no other."""

BUILTIN: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("default", "all rules", Rules()),
        Preset("classic", "the three rules of the classic filter: 0.6, 0.05, 0.3", CLASSIC),
        Preset(
            "customer-service",
            "calls: surer than usual; the band of a telephone is no flaw",
            Rules(min_confidence=0.7, min_bandwidth_hz=None, drop=STRICT_DROPS),
        ),
        Preset("screening", "a person looks at each: less sure than usual", Rules(min_confidence=0.5)),
        Preset(
            "social-robot",
            "answers at once: as sure as usual, and the unsure dropped",
            Rules(min_confidence=0.6, drop=STRICT_DROPS),
        ),
    )
}
"""The presets that come with emotrace."""


def find_preset(name: str, file: str | os.PathLike[str] | None = None) -> Preset:
    """The preset of a name.

    Args:
        name: of it.
        file: a TOML file of more presets.

    Raises:
        OptionError: there is no preset of this name.
        InputError: a file of presets is not right.

    >>> find_preset("customer-service").rules.min_confidence
    0.7
    """
    known = presets(file)
    if name not in known:
        raise OptionError(f"there is no preset {name!r}; expected one of {', '.join(known)}")
    return known[name]


def presets(file: str | os.PathLike[str] | None = None) -> dict[str, Preset]:
    """All presets by name: the built-in ones, those of the user's file, those of ``file``.

    A later file may define a name of an earlier one anew, but none that is built in.

    Raises:
        InputError: a file cannot be read or is not right; the message names the line.

    >>> list(presets())[:5]
    ['default', 'classic', 'customer-service', 'screening', 'social-robot']
    """
    known = dict(BUILTIN)
    users = home() / PRESETS_FILE
    if os.path.lexists(users):
        known |= read_presets(users, known)
    if file is not None:
        known |= read_presets(Path(file), known)
    return known


def read_presets(path: Path, known: Mapping[str, Preset] = BUILTIN) -> dict[str, Preset]:
    """The presets of one file.

    Args:
        path: a TOML file; see above.
        known: what its presets may extend, besides each other.

    Raises:
        InputError: it cannot be read or is not right; the message names the line.
    """
    text = _text(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{str(path)!r} is not right: {_with_line(str(error), text)}") from error
    except RecursionError as error:
        raise InputError(f"{str(path)!r} is not right: its values are nested too deeply") from error
    return _File(path, text, tables, known).presets()


class _File:
    """A file of presets while it is read."""

    def __init__(self, path: Path, text: str, tables: dict[str, Any], known: Mapping[str, Preset]) -> None:
        self._path, self._lines, self._tables, self._known = path, text.splitlines(), tables, known
        self._done: dict[str, Preset] = {}

    def presets(self) -> dict[str, Preset]:
        for name in self._tables:
            self._resolve(name, ())
        return {name: self._done[name] for name in self._tables}

    def _resolve(self, name: str, above: tuple[str, ...]) -> Preset:
        if name in self._done:
            return self._done[name]
        table = self._tables[name]
        if not isinstance(table, dict):
            raise self._wrong(name, "", f"{name} stands alone; expected tables such as [my-preset]")
        if name in BUILTIN:
            raise self._wrong(name, "", f"the preset {name!r} comes with emotrace; choose another name")
        values = dict(table)
        base = self._base(name, values.pop("extends", "default"), above)
        description = values.pop("description", "")
        if not isinstance(description, str):
            raise self._wrong(name, "description", f"description is {description!r}; expected a text")
        try:
            rules = Rules(**{**base.rules.model_dump(), **values})
        except ValidationError as error:
            key, sentence = problem(error)
            raise self._wrong(name, key, sentence) from error
        self._done[name] = Preset(name, description, rules, str(self._path))
        return self._done[name]

    def _base(self, name: str, base: object, above: tuple[str, ...]) -> Preset:
        if base in (name, *above):
            raise self._wrong(name, "extends", f"{name!r} extends itself; expected another preset")
        if isinstance(base, str) and base in self._tables:
            return self._resolve(base, (*above, name))
        if isinstance(base, str) and base in self._known:
            return self._known[base]
        names = ", ".join(dict.fromkeys([*self._known, *self._tables]))
        raise self._wrong(name, "extends", f"extends is {base!r}; expected one of {names}")

    def _wrong(self, table: str, key: str, sentence: str) -> InputError:
        line = _line_of(self._lines, table, key)
        return InputError(f"{str(self._path)!r} is not right: line {line}: {sentence}")


def _line_of(lines: list[str], table: str, key: str) -> int:
    """Number of the line where a key of a table stands, else that of the table's head, else 1."""
    head, inside = 1, False
    for number, line in enumerate(lines, 1):
        opened = re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line)
        if opened:
            parts = [part.strip().strip("\"'") for part in opened[1].split(".")]
            inside = opened[1].strip("\"'") == table or parts[0] == table
            if inside and (key in ("", *parts[1:])):
                return number
            head = number if inside and head == 1 else head
            continue
        named = re.match(r"\s*[\"']?([^\"'=.]+?)[\"']?\s*[.=]", line)
        if named and ((inside and named[1] == key) or (not inside and named[1] == table)):
            return number
    return head


def _with_line(message: str, text: str) -> str:
    found = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(found[1]) if found and found[1] else len(text.splitlines())
    sentence = message[: found.start()] if found else message
    return f"line {max(1, line)}: {sentence[:1].lower()}{sentence[1:]}"


def _text(path: Path) -> str:
    data = content_of(path, MAX_BYTES, "a TOML file of presets")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{str(path)!r} is not right: line {line}: expected UTF-8; save it as that"
        ) from error
