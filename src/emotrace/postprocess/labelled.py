"""Lists of labelled clips, with or without scores: CSV or JSON Lines, one clip per row.

Columns: ``file`` (or ``path``, ``source``, ``audio``), ``label``, and where known ``speaker`` and ``split``;
scores as columns named by the nine labels, or as an object ``scores`` in JSON Lines. What ``emotrace analyze
--csv`` writes is such a list once it has a column ``label``.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotrace.errors import InputError, LabelError
from emotrace.labels import LABELS, label_index
from emotrace.postprocess.files import content_of
from emotrace.results import Failure

MAX_BYTES = 1_000_000_000
TEST_SPLITS = frozenset({"test", "testing", "eval", "evaluation", "heldout", "held", "测试", "测试集"})
"""Words that make a split one for testing: ``test``, and so ``Test2``, ``test-clean``, ``held-out``."""

TRAIN_SPLITS = frozenset({"train", "training", "训练", "训练集"})

_WORD = re.compile(r"[^\W\d_]+")
_NAMES = {
    "file": ("file", "path", "source", "audio", "filename", "文件"),
    "label": ("label", "truth", "标签"),
    "speaker": ("speaker", "speaker_id", "说话人"),
    "split": ("split", "split_set", "subset", "partition", "set", "划分"),
}


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip and what people say of it.

    Attributes:
        file: path of it; empty if only its scores are known.
        label: one of the nine emotions.
        speaker: who speaks; empty if it is not known.
        split: as written; empty if there is none.
        scores: by label, 0 to 1, if they came with the list.
        failure: the list says that it gave no result.
    """

    file: str
    label: str
    speaker: str = ""
    split: str = ""
    scores: Mapping[str, float] | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class LabelledClips:
    """A list of clips, without those that are for testing.

    Attributes:
        clips: of every split but test, in order.
        left_out: how many test rows were not read any further.
    """

    clips: tuple[LabelledClip, ...]
    left_out: int


def read_clips(path: str | os.PathLike[str]) -> LabelledClips:
    """Read a list; rows whose split is ``test`` are left out before anything else of them is looked at.

    Relative paths start from the folder of the list.

    Raises:
        InputError: it cannot be read, has no column ``label``, names a clip twice, or is wrong in a line.
    """
    place = Path(path)
    clips: list[LabelledClip] = []
    seen: dict[str, int] = {}
    left_out = 0
    for line, row in _rows(_text(place), repr(str(place))):
        if not TEST_SPLITS.isdisjoint(_WORD.findall(_field(row, "split").casefold())):
            left_out += 1
            continue
        try:
            clip = _clip(row, place.parent)
        except ValueError as error:  # a LabelError is one
            raise InputError(f"{str(place)!r}, line {line}: {error}") from error
        if clip.file and clip.file in seen:
            first, name = seen[clip.file], _field(row, "file")
            raise InputError(f"{str(place)!r}, line {line}: {name!r} stands in line {first} already")
        seen[clip.file] = line
        clips.append(clip)
    return LabelledClips(tuple(clips), left_out)


def read_scores(path: str | os.PathLike[str]) -> dict[str, Mapping[str, float] | Failure]:
    """Scores by real path, from what ``emotrace analyze --json`` printed.

    Raises:
        InputError: it cannot be read, or is wrong in a line.
    """
    place = Path(path)
    found: dict[str, Mapping[str, float] | Failure] = {}
    for line, row in _json_lines(_text(place), repr(str(place))):
        try:
            source = _field(row, "file")
            scores, failure = _scores(row), _failure(row, source)
        except ValueError as error:
            raise InputError(f"{str(place)!r}, line {line}: {error}") from error
        if not source or (scores is None and failure is None):
            raise InputError(f"{str(place)!r}, line {line}: expected a source with its scores")
        found[os.path.realpath(source)] = failure or scores or {}
    return found


def _clip(row: Mapping[str, Any], folder: Path) -> LabelledClip:
    name, scores = _field(row, "file"), _scores(row)
    failure = _failure(row, name)
    if not name and scores is None:
        raise ValueError("there is neither a file nor a score; expected one of them")
    if "\0" in name:
        raise ValueError(f"{name!r} is no name of a file")
    file = str(folder / name) if name else ""
    label = LABELS[label_index(_field(row, "label"))]
    return LabelledClip(file, label, _field(row, "speaker"), _field(row, "split"), scores, failure)


def _field(row: Mapping[str, Any], what: str) -> str:
    value = next((row[name] for name in _NAMES[what] if row.get(name) not in (None, "")), "")
    return str(value).strip()


def _failure(row: Mapping[str, Any], source: str) -> Failure | None:
    error = row.get("error")
    if isinstance(error, dict):
        return Failure(source, str(error.get("code", "input")), str(error.get("reason", "it failed")))
    if str(row.get("status") or "").strip() == "failed":
        return Failure(source, str(row.get("error_code") or "input"), str(row.get("reason") or "it failed"))
    return None


def _scores(row: Mapping[str, Any]) -> dict[str, float] | None:
    given = row.get("scores")
    pairs = given.items() if isinstance(given, dict) else row.items()
    scores: dict[str, float] = {}
    for name, value in pairs:
        try:
            label = LABELS[label_index(str(name))]
        except LabelError:
            if given is not None:
                raise
            continue
        if value in (None, ""):
            continue
        scores[label] = _share(value, str(name))
    return scores if len(scores) > 1 else None


def _share(value: object, name: str) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1.001:
        raise ValueError(f"the score of {name!r} is {value!r}; expected 0 to 1")
    return number


def _rows(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if text.lstrip()[:1] == "{":
        yield from _json_lines(text, name)
        return
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [(column or "").strip().lower() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        if not set(columns) & set(_NAMES["label"]):
            found = ", ".join(column for column in columns if column) or "none"
            raise InputError(
                f"{name} has no column 'label' (found: {found[:200]}); expected file, label and perhaps "
                "speaker, split"
            )
        for row in reader:
            yield reader.line_num, {key: value for key, value in row.items() if key is not None}
    except csv.Error as error:
        line = reader.line_num + ("NUL" in str(error))  # Python 3.10 refuses that before it counts the line
        raise InputError(f"{name}, line {line}: {error}; expected CSV") from error


def _json_lines(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}, line {number}: no JSON; expected one object per line") from error
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}: a {type(row).__name__}; expected one object per line")
        yield number, {name.strip().lower(): value for name, value in row.items()}


def _text(path: Path) -> str:
    """The text of a file, in UTF-8 or the encoding of Chinese Excel."""
    data = content_of(path, MAX_BYTES, "a CSV file or JSON Lines")
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8-sig")
    with suppress(UnicodeDecodeError):
        return data.decode("gb18030")
    raise InputError(f"{str(path)!r} is no text; expected a CSV file or JSON Lines in UTF-8")
