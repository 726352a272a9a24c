"""``summary.json``: what a batch came to, with the classic fields first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from emotrace.batch.entries import Entry, failed
from emotrace.batch.staging import Stage
from emotrace.labels import LABELS
from emotrace.outputs.records import dumps

SUMMARY_FILE = "summary.json"

SURE = 0.7
"""Results beyond this confidence are the classic ``success_count``."""


MOST_TOLD = 10_000
"""Failures that the summary tells one by one; the tables hold them all."""


@dataclass
class Tally:
    """Counts over all entries of a batch.

    Attributes:
        succeeded: results.
        failed: failures.
        failures: file, code and reason of the first :data:`MOST_TOLD` failed inputs, and of the first with
            each code.
    """

    succeeded: int = 0
    failed: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    _codes: set[str] = field(default_factory=set)
    _sure: int = 0
    _confidence: float = 0.0
    _audio: float = 0.0
    _processing: float = 0.0
    _emotions: Counter[str] = field(default_factory=Counter)
    _verdicts: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        record = entry["record"]
        self._processing += entry["seconds"]
        if failed(entry):
            self.failed += 1
            code = record["error"]["code"]
            if len(self.failures) < MOST_TOLD or code not in self._codes:
                self.failures.append({"file": entry["file"], **record["error"]})
            self._codes.add(code)
            return
        self.succeeded += 1
        self._sure += record["confidence"] > SURE
        self._confidence += record["confidence"]
        self._audio += record["duration_seconds"] or 0.0
        self._emotions[record["emotion"]] += 1
        if record["verdict"]:
            self._verdicts[record["verdict"]["decision"]] += 1

    def record(self) -> dict[str, Any]:
        """All of it as a dict for :mod:`json`."""
        mean = self._confidence / self.succeeded if self.succeeded else None
        return {
            "total_files": self.succeeded + self.failed,
            "success_count": self._sure,
            "average_confidence": None if mean is None else round(mean, 6),
            "succeeded": self.succeeded,
            "failed": self.failed,
            "emotions": {label: self._emotions[label] for label in LABELS},
            "verdicts": {name: self._verdicts[name] for name in ("keep", "flag", "drop")},
            "audio_seconds": round(self._audio, 3),
            "processing_seconds": round(self._processing, 3),
        }


def write_summary(stage: Stage, record: dict[str, Any], failures: list[dict[str, str]]) -> None:
    """Write ``summary.json``, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with stage.writing(SUMMARY_FILE) as file:
        file.write(dumps({**record, "failures": failures}, indent=2) + "\n")
