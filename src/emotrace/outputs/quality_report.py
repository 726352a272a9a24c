"""The reports of the quality filter: the classic text, JSON and CSV.

Nothing in them depends on the time or on what a run had to do, so that sorting twice changes nothing.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from emotrace.labels import LABELS, emotion
from emotrace.outputs.records import dumps, number, reason_record
from emotrace.outputs.sorting_plan import BROKEN, LOW_QUALITY, NORMAL, Sorted
from emotrace.outputs.table import safe
from emotrace.outputs.writing import output_errors, replacing
from emotrace.postprocess.presets import Preset
from emotrace.results import Reason

SCHEMA_VERSION = 1

COLUMNS = (
    *("folder", "status", "decision", "emotion", "confidence", "top1", "top1_score", "top2", "top2_score"),
    *("gap", "reasons", "sentences", "notes", "failure"),
)
"""Header of the CSV report."""

_WORDS = {
    "en": {
        "title": "Quality report",
        "preset": "rules",
        "emotion": "emotion",
        "confidence": "confidence",
        "top-1": "top-1",
        "top-2": "top-2",
        "gap": "gap",
        "status": "status",
        "reasons": "reasons",
        "notes": "notes",
        "none": "none",
        NORMAL: "normal",
        LOW_QUALITY: "low quality",
        BROKEN: "broken, left in place",
        "flagged": "{0}, flagged",
        "totals": "Totals",
        "results": "results",
        "rejection rate": "rejection rate",
        "no results": "no results",
    },
    "zh": {
        "title": "质量报告",
        "preset": "规则",
        "emotion": "情绪",
        "confidence": "置信度",
        "top-1": "第一",
        "top-2": "第二",
        "gap": "差距",
        "status": "状态",
        "reasons": "原因",
        "notes": "备注",
        "none": "无",
        NORMAL: "正常",
        LOW_QUALITY: "低质量",
        BROKEN: "损坏，未移动",
        "flagged": "{0}（存疑）",
        "totals": "合计",
        "results": "结果",
        "rejection rate": "拒绝率",
        "no results": "无结果",
    },
}


def write_reports(folder: Path, items: Sequence[Sorted], preset: Preset, language: str = "en") -> None:
    """Write ``quality_report.txt``, ``.json`` and ``.csv``, each whole or not at all.

    Args:
        folder: where to; it is made if it is not there.
        items: what became of each result.
        preset: what was asked for.
        language: of the text report: ``"en"`` or ``"zh"``.

    Raises:
        OutputError: one cannot be written.
    """
    writers: dict[str, Callable[[TextIO], object]] = {
        "quality_report.txt": lambda file: file.writelines(
            f"{line}\n" for line in text_lines(items, preset, language)
        ),
        "quality_report.json": lambda file: file.writelines(_json_parts(items, preset)),
        "quality_report.csv": partial(_write_csv, items),
    }
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, write in writers.items():
        with (
            replacing(folder / name) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            write(file)


def _json_parts(items: Sequence[Sorted], preset: Preset) -> Iterator[str]:
    """The JSON report in parts, because that of many results is large."""
    head, _, tail = dumps({**_head(items, preset), "results": []}, indent=2).rpartition("]")
    yield head
    for i, item in enumerate(items):
        lines = dumps(_record(item, False), indent=2).replace("\n", "\n    ")
        yield f"{',' if i else ''}\n    {lines}"
    yield ("\n  ]" if items else "]") + tail + "\n"


def totals(items: Iterable[Sorted]) -> dict[str, Any]:
    """Numbers over all results; the rejection rate is None where there is nothing to reject.

    >>> totals([])["rejection_rate"] is None
    True
    """
    items = list(items)
    status = Counter(item.status for item in items)
    judged = status[NORMAL] + status[LOW_QUALITY]
    return {
        "total": len(items),
        NORMAL: status[NORMAL],
        LOW_QUALITY: status[LOW_QUALITY],
        BROKEN: status[BROKEN],
        "flagged": sum(item.verdict is not None and item.verdict.decision == "flag" for item in items),
        "not_moved": sum(item.failure is not None and item.status != BROKEN for item in items),
        "rejection_rate": round(status[LOW_QUALITY] / judged, 6) if judged else None,
        "reasons": dict(Counter(reason.code for item in items for reason in _reasons(item))),
    }


def report_record(items: Sequence[Sorted], preset: Preset, *, actions: bool = False) -> dict[str, Any]:
    """The JSON report.

    Args:
        items: what became of each result.
        preset: what was asked for.
        actions: say of each what was done now.
    """
    return {**_head(items, preset), "results": [_record(item, actions) for item in items]}


def _head(items: Sequence[Sorted], preset: Preset) -> dict[str, Any]:
    rules = preset.rules.model_dump()
    return {
        "schema_version": SCHEMA_VERSION,
        "preset": preset.name,
        "rules": {**rules, "drop": sorted(preset.rules.drop)},
        **totals(items),
    }


def _write_csv(items: Iterable[Sorted], file: TextIO) -> None:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for item in items:
        record = _record(item, False)
        first, second = (*record["top"], {}, {})[:2]
        cells = {
            **{
                name: record[name]
                for name in ("folder", "status", "decision", "emotion", "confidence", "gap")
            },
            **{"top1": first.get("emotion"), "top1_score": first.get("score")},
            **{"top2": second.get("emotion"), "top2_score": second.get("score")},
            "reasons": " ".join(reason["code"] for reason in record["reasons"]),
            "sentences": "; ".join(reason["sentence"] for reason in record["reasons"]),
            "notes": "; ".join(record["notes"]),
            "failure": record["failure"],
        }
        writer.writerow({name: safe(cell) if isinstance(cell, str) else cell for name, cell in cells.items()})


def text_lines(items: Sequence[Sorted], preset: Preset, language: str = "en") -> Iterator[str]:
    """The text report, line by line."""
    words = _WORDS[language]
    yield words["title"]
    yield f"{words['preset']}: {preset.name}: {_rules(preset)}"
    for item in items:
        yield ""
        yield _printable(item.place)
        for name, text in _block(item, words, language):
            yield f"  {words[name]}: {text}"
    yield ""
    yield words["totals"]
    for line in total_lines(items, language):
        yield f"  {line}"


def total_lines(items: Sequence[Sorted], language: str = "en") -> Iterator[str]:
    """The totals of the text report."""
    words, counts = _WORDS[language], totals(items)
    yield f"{words['results']}: {counts['total']}"
    for status in (NORMAL, LOW_QUALITY, BROKEN):
        yield f"{words[status]}: {counts[status]}"
    rate = counts["rejection_rate"]
    yield f"{words['rejection rate']}: {words['no results'] if rate is None else f'{rate:.1%}'}"


def _block(item: Sorted, words: dict[str, str], language: str) -> Iterator[tuple[str, str]]:
    if item.result is None or item.verdict is None:
        yield "status", words[BROKEN]
        yield "reasons", _printable(item.failure.reason if item.failure else "")
        return
    facts = item.result.facts
    yield "emotion", _emotion(item.result.emotion, language) or words["none"]
    yield "confidence", _digits(facts.confidence, words)
    tops = [
        f"{_emotion(label, language)} {score:.4f}" for label, score in islice(item.result.scores.items(), 2)
    ]
    yield from zip(("top-1", "top-2"), [*tops, words["none"], words["none"]], strict=False)
    yield "gap", _digits(facts.gap, words)
    status = words[item.status]
    yield "status", words["flagged"].format(status) if item.verdict.decision == "flag" else status
    sentences = [r.sentence_zh if language == "zh" else r.sentence for r in item.verdict.reasons]
    yield "reasons", "; ".join(sentences) or words["none"]
    notes = [*item.result.notes, *([item.failure.reason] if item.failure else [])]
    if notes:
        yield "notes", _printable("; ".join(notes))


def _record(item: Sorted, actions: bool) -> dict[str, Any]:
    result, facts = item.result, item.result.facts if item.result else None
    record = {
        "folder": item.place,
        "status": item.status,
        "decision": item.verdict.decision if item.verdict else None,
        "emotion": result.emotion if result else None,
        "confidence": number(facts.confidence) if facts else None,
        "gap": number(facts.gap) if facts else None,
        "top": [{"emotion": k, "score": number(v)} for k, v in islice(result.scores.items(), 3)]
        if result
        else [],
        "reasons": [reason_record(reason) for reason in _reasons(item)],
        "notes": list(result.notes) if result else [],
        "failure": item.failure.reason if item.failure else None,
    }
    return {**record, "name": item.name, "action": item.action} if actions else record


def _reasons(item: Sorted) -> tuple[Reason, ...]:
    return item.verdict.reasons if item.verdict else ()


def _rules(preset: Preset) -> str:
    values = preset.rules.model_dump(exclude={"drop"})
    return ", ".join(f"{name} {value:g}" for name, value in values.items() if value is not None)


def _emotion(label: str, language: str) -> str:
    return emotion(label).zh if language == "zh" and label in LABELS else _printable(label)


def _digits(value: float, words: dict[str, str]) -> str:
    return words["none"] if math.isnan(value) else f"{value:.4f}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
