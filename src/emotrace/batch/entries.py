"""What is kept of an outcome: an entry of the log, and a flat row of the tables."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, Literal, TypeAlias

import numpy as np

from emotrace.batch.jobs import Outcome
from emotrace.batch.naming import Names
from emotrace.errors import AudioError, InputError, LabelError, LimitError, NoAudioError, NoSpeechError
from emotrace.labels import LABELS
from emotrace.outputs.records import failure_record, quality_record, recognition_record
from emotrace.results import Array, Failure, SignalMeasures

Entry: TypeAlias = dict[str, Any]
"""``key``, ``file``, ``start``, ``end``, ``state``, ``seconds``, ``record`` (see
:mod:`emotrace.outputs.records`) and ``embedding`` (base64 of float32, little-endian) or None; ``tries`` of a
failure; when written out also ``extra``, see :class:`~emotrace.batch.jobs.Job`."""

_OF_INPUT = {
    kind.code for kind in (InputError, AudioError, NoAudioError, LimitError, NoSpeechError, LabelError)
}

TRIES = 3
"""In so many runs an input may fail for a reason that seems to be no fault of its own; then that is final."""

QUALITY: tuple[str, ...] = tuple(quality_record(SignalMeasures(0, 0, 0, 0, 0, 0), None))

COLUMNS: tuple[str, ...] = (
    *("file", "start", "end", "status", "emotion", "confidence", *LABELS),
    *("duration_seconds", "speech_seconds", "verdict", "reasons", "warnings", "segments"),
    *(f"quality_{name}" for name in QUALITY),
    *("model", "revision", "precision", "recognised_at", "processing_seconds", "error_code", "reason"),
)
"""The columns of a row, in order; ``embedding`` comes behind them where there is one."""


Kind: TypeAlias = Literal["boolean", "integer", "number", "text"]
"""What the values of a column are."""

_KINDS: dict[type, Kind] = {bool: "boolean", int: "integer", float: "number"}


def add_kinds(kinds: dict[str, Kind], extra: Mapping[str, Any] | None) -> None:
    """Learn from a row what the values of the other columns of a table are.

    >>> kinds: dict[str, Kind] = {}
    >>> for row in ({"speaker": 1, "sex": None}, {"speaker": 2.5}, {"sex": "f"}):
    ...     add_kinds(kinds, row)
    >>> kinds
    {'speaker': 'number', 'sex': 'text'}
    """
    for name, value in (extra or {}).items():
        if value is None:
            continue
        kind = _KINDS.get(type(value), "text")
        if type(value) is int and not -(2**63) <= value < 2**63:
            kind = "text"
        there = kinds.get(name, kind)
        numbers = {there, kind} == {"integer", "number"}
        kinds[name] = kind if there == kind else "number" if numbers else "text"


def extra_columns(kinds: Iterable[str]) -> dict[str, str]:
    """What the columns of tables of inputs are called among the results, where capitals do not count.

    >>> extra_columns(["speaker", "Emotion", "given_emotion"])
    {'speaker': 'speaker', 'Emotion': 'given_Emotion', 'given_emotion': 'given_emotion_2'}
    """
    ours = {*COLUMNS, "embedding"}
    with closing(Names()) as names:
        for column in ours:
            names.take(column)
        return {name: names.take(f"given_{name}" if name.casefold() in ours else name) for name in kinds}


def extra_cells(
    entry: Mapping[str, Any], kinds: Mapping[str, Kind], columns: Mapping[str, str]
) -> dict[str, Any]:
    """The cells of an entry that came from a table of inputs; None where there is none."""
    extra = entry.get("extra") or {}
    return {columns[name]: _as_kind(extra.get(name), kind) for name, kind in kinds.items()}


def _as_kind(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    return str(value) if kind == "text" else float(value) if kind == "number" else value


def entry_of(key: bytes, outcome: Outcome, *, embedding: bool = True, tries: int = 1) -> Entry:
    """The entry of an outcome, for the log.

    Args:
        key: of the job.
        outcome: what became of it.
        embedding: keep the embedding as well.
        tries: in so many runs it was tried and not done; see :func:`tried_again`.
    """
    job, result = outcome.job, outcome.result
    failed = isinstance(result, Failure)
    return {
        "key": key.hex(),
        "file": job.file,
        "start": job.start,
        "end": job.end,
        "state": outcome.state,
        "seconds": round(outcome.seconds, 4),
        "record": failure_record(result) if isinstance(result, Failure) else recognition_record(result),
        "embedding": _packed(result.embedding) if not failed and embedding else None,  # type: ignore[union-attr]
        **({"tries": tries} if failed else {}),
    }


def _packed(embedding: Array) -> str:
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode("ascii")


def embedding_of(entry: Mapping[str, Any]) -> Array | None:
    """The embedding of an entry, float32 (D,); None of a failure, or if none was kept."""
    text = entry.get("embedding")
    return None if text is None else np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)


def failed(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is that of a failure."""
    return "error" in entry["record"]


def code_of(entry: Mapping[str, Any]) -> str | None:
    """The code of a failure; None of a result."""
    return str(entry["record"]["error"]["code"]) if failed(entry) else None


def of_input(code: str) -> bool:
    """Whether a failure with a code is the fault of its input; else every other input may meet it, too.

    >>> of_input("no-speech"), of_input("model"), of_input("crash")
    (True, False, False)
    """
    return code in _OF_INPUT


def tried_again(entry: Mapping[str, Any]) -> bool:
    """Whether the next run does an entry again: it failed, and that seems to be no fault of its input."""
    return failed(entry) and not of_input(entry["record"]["error"]["code"]) and entry.get("tries", 1) < TRIES


def row_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The row of an entry: every one of :data:`COLUMNS`, None where it does not apply."""
    record = entry["record"]
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"file": entry["file"], "start": entry["start"], "end": entry["end"]}
    row["processing_seconds"] = entry["seconds"]
    if failed(entry):
        error = record["error"]
        return row | {"status": "failed", "error_code": error["code"], "reason": error["reason"]}
    verdict, model = record["verdict"], record["model"]
    return row | {
        "status": "ok",
        **{name: record[name] for name in ("emotion", "confidence", "duration_seconds", "speech_seconds")},
        **record["scores"],
        "verdict": verdict and verdict["decision"],
        "reasons": [reason["code"] for reason in verdict["reasons"]] if verdict else [],
        "warnings": record["warnings"],
        "segments": [
            {name: segment[name] for name in ("start", "end", "emotion", "confidence")}
            for segment in record["segments"]
        ],
        **{f"quality_{name}": record["quality"][name] for name in QUALITY},
        **{"model": model["name"], "revision": model["revision"], "precision": model["precision"]},
        "recognised_at": record["timestamp"],
    }
