"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recognition.fakes import heard_by_level


@pytest.fixture
def by_level() -> Iterator[None]:
    """Recordings are cut by their level for a whole test."""
    with heard_by_level():
        yield
