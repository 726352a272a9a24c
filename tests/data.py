"""Where the shared test recordings are, for tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _find() -> Path | None:
    named = os.environ.get("EMOTRACE_TEST_DATA")
    places = [Path(named)] if named else [Path(__file__).parents[2] / "shared" / "data"]
    return next((place for place in places if place.is_dir()), None)


DATA = _find()
"""Folder of the shared recordings: EMOTRACE_TEST_DATA, else ../shared/data; None if there is none."""

needs_data = pytest.mark.skipif(DATA is None, reason="no shared recordings; set EMOTRACE_TEST_DATA")
