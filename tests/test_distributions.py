"""What is built is complete: the wheel and the source distribution, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST = 400e6
"""Bytes that the base installation may take, pip included."""

pytestmark = pytest.mark.slow  # both need the package registry


def run(*command: str | Path, folder: Path) -> str:
    """What a command says, which knows nothing of this checkout."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMOTRACE"))}
    done = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, and the wheel that was built from it."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not run in a checkout")
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    return folder


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_it_installs_into_an_empty_environment_and_runs(kind: str, built: Path, tmp_path: Path) -> None:
    [archive] = built.glob(kind)
    place = tmp_path / "empty"
    run(sys.executable, "-m", "venv", place, folder=tmp_path)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-compile")
    run(programs / "python", "-m", "pip", "install", *quiet, archive, folder=tmp_path)
    taken = sum(file.lstat().st_size for file in place.rglob("*") if file.is_file())
    assert taken < LARGEST
    sample = run(programs / "emotrace", "sample", folder=tmp_path).strip()
    assert Path(sample).is_relative_to(place)
    record = json.loads(run(programs / "emotrace", "analyze", sample, "--json", folder=tmp_path))
    assert record["model"]["name"] == "compact"
    assert record["quality"]["speech_share"] > 0.5
    assert json.loads(run(programs / "emotrace", "doctor", "--json", folder=tmp_path))["ok"]
