from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.served import speech
from tests.webui.pages import browser, served


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of speech."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    path.write_bytes(speech(4.0))
    return path


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with the built-in model."""
    with served(tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(talk: Path) -> Iterator[Any]:
    """A browser whose microphone plays ``talk``."""
    with browser(talk) as opened:
        yield opened
