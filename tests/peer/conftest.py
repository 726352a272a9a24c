"""These tests run in an environment of their own, which has FunASR: ``make peer``."""

from __future__ import annotations

import importlib.util
import itertools

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("funasr") else ["test_*.py"]

FIGURES: list[tuple[int, str, float, float, float]] = []
"""Width of the network, runtime, seconds, and the largest differences of a frame and of a probability."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The largest differences of each network and runtime, for the documentation."""
    for (width, runtime), rows in itertools.groupby(sorted(FIGURES), key=lambda row: row[:2]):
        clips = list(rows)
        terminalreporter.write_line(
            f"{width:5} wide, {runtime:11}: {len(clips):3} clips of {min(c[2] for c in clips):.2f} to "
            f"{max(c[2] for c in clips):.0f} s; frames {max(c[3] for c in clips):.1e}, "
            f"probabilities {max(c[4] for c in clips):.1e}"
        )
