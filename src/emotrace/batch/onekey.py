"""The classic pipeline in one go: recognise, smooth, judge, sort into normal and low quality, report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emotrace.audio import stream
from emotrace.batch.engine import Engine
from emotrace.batch.jobs import Job
from emotrace.batch.options import BatchOptions, BatchReport, OnProgress
from emotrace.batch.runner import run_batch
from emotrace.batch.sinks import JSON_LINES_FILE
from emotrace.batch.sorted_folders import SortedFolders
from emotrace.errors import EmotraceError
from emotrace.outputs.clip import clip_mp3
from emotrace.outputs.quality_report import write_reports
from emotrace.outputs.report import CLIP_SECONDS, Language, Report
from emotrace.outputs.writing import output_errors
from emotrace.postprocess.presets import Preset
from emotrace.results import Array, Failure

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the results of a run are handed over.

    Attributes:
        preset: the rules that the results were judged by.
        title: of the report.
        strict: what is only flagged is low quality, too.
        audio: write ``processed_audio.wav`` into the folders.
        language: of the reports.
    """

    preset: Preset
    title: str
    strict: bool = False
    audio: bool = True
    language: Language = "en"


def run_all(
    jobs: Iterable[Job],
    out: str | os.PathLike[str],
    engine: Engine,
    options: BatchOptions,
    delivery: Delivery,
    *,
    on_progress: OnProgress | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> BatchReport:
    """Do it all, or what is left of it after a run that was cut off.

    Args:
        jobs: whole recordings.
        out: output folder; see :func:`~emotrace.batch.runner.run_batch`. Beside what that writes there are
            ``normal/``, ``low_quality/``, ``quality_report.*`` and ``report.html``.
        engine: does the work.
        options: of the batch; JSON Lines are always written.
        delivery: of the results.
        on_progress: see :func:`~emotrace.batch.runner.run_batch`.
        on_failure: see there.

    Returns:
        That of the batch; its record has ``normal``, ``low_quality``, ``rejection_rate`` and ``stale``
        besides. After a batch that stopped early nothing is sorted.

    Raises:
        EmotraceError: see :func:`~emotrace.batch.runner.run_batch`.
    """
    channel, limits = engine.options.recognition.channel, engine.options.recognition.limits

    def sound(source: str) -> Iterator[Array]:
        return stream(source, channel=channel, limits=limits)

    return run_batch(
        jobs,
        out,
        engine,
        options,
        on_progress=on_progress,
        on_failure=on_failure,
        finish=partial(_deliver, Path(out), delivery, sound),
    )


def _deliver(
    folder: Path, delivery: Delivery, sound: Callable[[str], Iterator[Array]], summary: Mapping[str, Any]
) -> dict[str, Any]:
    """Sort the results of ``results.jsonl`` and write the reports; what the summary has to say of it."""
    report, items = Report(), []
    with closing(
        SortedFolders(folder, strict=delivery.strict, audio=sound if delivery.audio else None)
    ) as folders:
        for record in _records(folder / JSON_LINES_FILE):
            if "error" in record:
                report.add_failure(record["source"], record["error"]["reason"])
                continue
            item = folders.put(record)
            report.add(item, record)
            items.append(item)
        more = {"stale": folders.finish(), **report.sorted_counts}
    write_reports(folder, items, delivery.preset, delivery.language)
    report.write(
        folder / REPORT_FILE,
        {**summary, **more},
        player=lambda source: _clip(sound, source),
        title=delivery.title,
        language=delivery.language,
    )
    return more


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    with output_errors(path), path.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            for name in ("file", "start", "end", "processing_seconds"):  # of the batch, not of the result
                record.pop(name, None)
            yield record


def _clip(sound: Callable[[str], Iterator[Array]], source: str) -> bytes:
    """The beginning of a recording; nothing of one that has gone or was broken since."""
    try:
        return clip_mp3(sound(source), CLIP_SECONDS)
    except EmotraceError:
        return b""
