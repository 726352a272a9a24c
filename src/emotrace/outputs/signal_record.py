"""Signal checks as JSON."""

from __future__ import annotations

from typing import Any

from emotrace.outputs.records import DIGITS, SCHEMA_VERSION, quality_record, reason_record
from emotrace.results import SignalQuality, Verdict


def check_record(source: str, quality: SignalQuality, verdict: Verdict) -> dict[str, Any]:
    """One recording's checks, with what the rules find in them.

    Returns:
        ``schema_version``, ``source``, ``duration_seconds``, ``quality`` (see
        :func:`~emotrace.outputs.records.quality_record`), ``decision`` and ``findings``.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "source": source,
        "duration_seconds": round(quality.measures.duration, DIGITS),
        "quality": quality_record(quality.measures, quality),
        "decision": verdict.decision,
        "findings": [reason_record(reason) for reason in verdict.reasons],
    }
