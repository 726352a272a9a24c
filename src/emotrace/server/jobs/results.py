"""The results of a job in one download, made while it is sent."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from emotrace.outputs.records import failure_record
from emotrace.outputs.table import CsvTable
from emotrace.results import Failure
from emotrace.server.forms import RecognitionForm
from emotrace.server.problems import json_bytes
from emotrace.store import Store
from emotrace.store.jobs import Item, Job

ResultFormat = Literal["jsonl", "csv", "zip"]

MEDIA_TYPES: dict[ResultFormat, str] = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "zip": "application/zip",
}

_UNSAFE = re.compile(r"[^\w.() -]")


def results(store: Store, job: Job, items: Sequence[Item], form: ResultFormat) -> Iterator[bytes]:
    """All results that are there, in parts.

    Args:
        store: has them.
        job: which.
        items: of it.
        form: one JSON object for each recording, a table of those that have ended, or a folder for each
            that has a result and the table. Objects and folders have embeddings if the job asks for them.
    """
    if form == "zip":
        return _zip(store, job, items)
    return _csv(store, items) if form == "csv" else _lines(store, job, items)


def _lines(store: Store, job: Job, items: Sequence[Item]) -> Iterator[bytes]:
    embeddings = RecognitionForm.read(job.options).embedding
    for item in items:
        result = _record(store, item)
        if result is not None and embeddings:
            result["embedding"] = _embedding(store, item)
        line = {
            "number": item.number,
            "source": item.source,
            "state": item.state,
            "id": item.recognition,
            "result": result,
            "error": None if item.code is None else {"code": item.code, "reason": item.reason},
        }
        yield json_bytes(line) + b"\n"


def _csv(store: Store, items: Sequence[Item]) -> Iterator[bytes]:
    file = io.StringIO(newline="")
    table = CsvTable(file)
    for item in items:
        record = _record(store, item)
        if record is None and item.code is not None:
            record = failure_record(Failure(item.source, item.code, item.reason or ""))
        if record is not None:
            table.write(record)
        yield _taken(file)
    yield _taken(file)


def _zip(store: Store, job: Job, items: Sequence[Item]) -> Iterator[bytes]:
    sink, embeddings = _Sink(), RecognitionForm.read(job.options).embedding
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.csv", b"".join(_csv(store, items)))
        for item in items:
            record = _record(store, item)
            if record is None:
                continue
            name = f"{item.number + 1:04d}_{_UNSAFE.sub('_', item.source)}"
            archive.writestr(f"{name}/result.json", json.dumps(record, ensure_ascii=False, indent=2))
            embedding = store.recognitions.embedding(item.result_id, None) if embeddings else None
            if embedding is not None and embedding.is_file():
                archive.write(embedding, f"{name}/embedding.npy")
            yield sink.taken()
    yield sink.taken()


def _record(store: Store, item: Item) -> dict[str, Any] | None:
    """The record of an item; None if it has none, or it was deleted since."""
    return None if item.recognition is None else store.recognitions.record(item.recognition, None)


def _embedding(store: Store, item: Item) -> list[float] | None:
    place = store.recognitions.embedding(item.result_id, None)
    return None if place is None else np.load(place, allow_pickle=False).tolist()


def _taken(file: io.StringIO) -> bytes:
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text.encode("utf-8", "backslashreplace")


class _Sink(io.RawIOBase):
    """Where a ZIP file is written to be sent: what was taken is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._parts.append(bytes(content))
        return len(content)

    def taken(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content
