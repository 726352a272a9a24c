"""Small batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotrace.batch.engine import LocalEngine
from emotrace.batch.manifests import jobs_of
from emotrace.batch.options import BatchOptions, BatchReport
from emotrace.batch.runner import run_batch
from emotrace.models.encoder import FakeEncoder
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from tests.cli.command import square, write

VOLATILE = ("timestamp", "processing_seconds", "recognised_at")


def engine(workers: int = 2, **options: Any) -> LocalEngine:
    """A model that hears loudness as emotion, without signal checks."""
    chosen = PipelineOptions.of(**{"checks": False, **options})
    return LocalEngine(Recognizer(encoder=FakeEncoder()), chosen, workers=workers)


def clips(folder: Path, count: int = 4) -> Path:
    """Clips ``c00.wav`` ... in a new folder, the n-th one of emotion n modulo 8, plus 1."""
    folder.mkdir(parents=True)
    for number in range(count):
        write(folder / f"c{number:02d}.wav", square((number % 8 + 1) / 8, 0.2))
    return folder


def batch(inputs: Sequence[object], out: Path, *, workers: int = 2, **options: Any) -> BatchReport:
    """Run one."""
    jobs = jobs_of([str(each) for each in inputs], str(out))
    return run_batch(jobs, out, engine(workers), BatchOptions(**options))


def rows(out: Path) -> list[dict[str, Any]]:
    """``results.jsonl`` without what differs from run to run."""
    lines = (out / "results.jsonl").read_text("utf-8").splitlines()
    return [steady(json.loads(line)) for line in lines]


def steady(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what differs from run to run."""
    return {name: value for name, value in row.items() if name not in VOLATILE}


def found(out: Path) -> list[tuple[str, str]]:
    """Name of each file in the data set, with its emotion or the code of its error."""
    return [
        (Path(row["file"]).name, row["error"]["code"] if "error" in row else row["emotion"])
        for row in rows(out)
    ]


def logged(out: Path) -> list[str]:
    """Keys in the log, in order."""
    return [json.loads(line)["key"] for line in (out / ".batch" / "log.jsonl").read_text().splitlines()]
