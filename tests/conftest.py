"""Fixtures that tests of several rooms use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import postgres, postgres_url

__all__ = ["data_folder", "postgres", "postgres_url"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Tests that were started in the background: the commands they start would not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What services of tests keep goes there, never to the data of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("data")
    before = os.environ.get("EMOTRACE_DATA_DIR")
    os.environ["EMOTRACE_DATA_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["EMOTRACE_DATA_DIR"]
    else:
        os.environ["EMOTRACE_DATA_DIR"] = before
