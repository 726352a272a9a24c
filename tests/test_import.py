"""Importing is free: nothing heavy is loaded, nothing is started, nothing is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import emotrace

HEAVY = (
    "torch",
    "onnxruntime",
    "numpy",
    "av",
    "soxr",
    "pydantic",
    "rich",
    "typer",
    "gradio",
    "fastapi",
    "matplotlib",
)

REPORT = f"""
import json, sys, threading
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"loaded": loaded, "threads": threading.active_count()}}))
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_package_loads_nothing_heavy_starts_no_thread_and_is_silent() -> None:
    done = python("import emotrace; emotrace.__version__, emotrace.LABELS" + REPORT)
    assert json.loads(done.stdout) == {"loaded": [], "threads": 1}
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_thread_outside_python_either() -> None:
    code = "import emotrace, pathlib; print(len(list(pathlib.Path('/proc/self/task').iterdir())))"
    assert python(code).stdout.strip() == "1"


def test_the_recognizer_comes_when_it_is_asked_for_without_torch_or_runtime() -> None:
    done = python("import emotrace; emotrace.Recognizer" + REPORT)
    report = json.loads(done.stdout)
    assert not {"torch", "onnxruntime", "av", "rich", "typer", "gradio", "matplotlib"} & set(report["loaded"])
    assert report["threads"] == 1
    assert done.stderr == ""


def test_the_runtime_keeps_no_identity_and_reports_nothing(tmp_path: Path) -> None:
    """With telemetry ONNX Runtime makes a device id and a queue of events in the home folder."""
    code = "import emotrace, numpy; emotrace.Recognizer().recognize((numpy.sin(numpy.arange(16000)), 16000))"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_every_public_name_resolves_to_what_it_says() -> None:
    for name in emotrace.__all__:
        assert getattr(emotrace, name) is not None
    assert emotrace.Recognizer.__name__ == "Recognizer"
    with pytest.raises(AttributeError, match="module 'emotrace' has no attribute 'Nonsense'"):
        emotrace.Nonsense  # noqa: B018


def test_recognition_configures_no_logging_seeds_nothing_and_leaves_the_environment() -> None:
    code = """
import logging, os, random
import numpy as np
def state():
    log = (logging.root.handlers[:], logging.root.level)
    return dict(os.environ), random.getstate(), np.random.get_state()[1].tolist(), log
before = state()
from emotrace import Recognizer
Recognizer("compact", threads=1).recognize((np.sin(np.arange(16000, dtype=np.float32)), 16000), frames=True)
assert state() == before
"""
    done = python(code)
    assert (done.stdout, done.stderr) == ("", "")


def test_one_recognizer_serves_many_threads() -> None:
    import numpy as np

    recognizer = emotrace.Recognizer("compact", threads=1)
    samples = np.sin(np.arange(16000, dtype=np.float32))
    emotions: list[str] = []
    work = [
        threading.Thread(target=lambda: emotions.append(recognizer.recognize((samples, 16000)).emotion))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(emotions) == 4
    assert len(set(emotions)) == 1
