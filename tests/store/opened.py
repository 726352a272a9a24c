"""Stores for tests, on either database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.labels import LABELS
from emotrace.results import EmotionTrack, Reason, Recognition, Verdict
from emotrace.store import Store
from tests.outputs.made import made

DATABASES = ("sqlite", "postgresql")
"""The contract holds for each."""


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """The URL of an empty database."""
    url: str | None = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: str | None, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = Store(database_url, tmp_path / "data")
    yield opened
    opened.close()


def verdict(decision: str) -> Verdict:
    """With one reason, unless it keeps."""
    if decision == "keep":
        return Verdict("keep")
    texts = ("low", "低", "listen", "听")
    return Verdict(decision, (Reason("low-confidence", decision, 0.42, 0.6, *texts),))


def recognition(
    emotion: str = "happy", second: float = 0.1, decision: str = "keep", **changes: Any
) -> Recognition:
    """One with a margin of 0.8 less ``second``."""
    other = next(label for label in LABELS if label != emotion)
    scores: Mapping[str, float] = dict.fromkeys(LABELS, 0.0) | {emotion: 0.8, other: second}
    fields = {"emotion": emotion, "scores": scores, "confidence": 0.8, "verdict": verdict(decision)}
    return made(**{**fields, **changes})


def track(steps: int = 5) -> EmotionTrack:
    """The first step is silent, the others are sure of one emotion each."""
    rows = np.eye(9, dtype=np.float32)[np.arange(steps) % 9]
    rows[0] = np.nan
    times = (np.arange(steps) / 25).astype(np.float32)
    return EmotionTrack(times, rows, 0.04, "made up")


def files(folder: Path) -> list[str]:
    """Every file below a folder, without those of the database."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not path.name.startswith("emotrace.db"))
