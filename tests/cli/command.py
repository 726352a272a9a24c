"""The installed command, and recordings for it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import emotrace

_SCRIPT = Path(sysconfig.get_path("scripts")) / "emotrace"
COMMAND = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "emotrace"]
"""How the command is started: as it was installed; from the sources if it was not."""


def environment(**changes: str) -> dict[str, str]:
    """The environment of a test, whatever the developer's own is like."""
    dropped = ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "EMOTRACE_DEBUG", "FORCE_COLOR", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    sources = {} if _SCRIPT.exists() else {"PYTHONPATH": str(Path(emotrace.__file__).parents[1])}
    return {**kept, "LANG": "C.UTF-8", **sources, **changes}


def unmeasured() -> dict[str, str]:
    """The environment without the coverage of subprocesses, which takes time and writes a file."""
    kept = environment()
    return {name: value for name, value in kept.items() if not name.startswith("COVERAGE_")}


def run(*arguments: str | Path, env: dict[str, str] | None = None, **options: Any) -> Any:
    """Run the command to its end; outputs are text."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=env or environment(),
        capture_output=True,
        timeout=120,
        **{"text": True, "encoding": "utf-8", "check": False, **options},
    )


def write(path: Path, samples: ArrayLike, rate: int = 16000) -> Path:
    """Write a WAV file of 16 bits, full scale at 1."""
    values = np.clip(np.asarray(samples, np.float64) * 32767, -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    return path


def square(level: float = 0.375, seconds: float = 1.0) -> np.ndarray[Any, Any]:
    """A square wave; for FakeEncoder a level of n/8 is the emotion number n: 0.375 is happy."""
    return np.where(np.arange(round(seconds * 16000)) // 40 % 2, level, -level)
