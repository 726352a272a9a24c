"""kill -9 in the middle: nothing is lost, nothing stays double, and the next run finishes or takes back."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emotrace.outputs.sorting import sort_results, undo_sorting
from emotrace.outputs.sorting_plan import Sorting
from emotrace.postprocess.presets import CLASSIC
from tests.outputs.results_made import SURE, UNSURE, put, record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")

COUNT = 12

CHILD = """
import os, shutil, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from emotrace.outputs import relocating
from emotrace.outputs.sorting import sort_results, undo_sorting
from emotrace.outputs.sorting_plan import Sorting
from emotrace.postprocess.presets import CLASSIC

left = {moment}

def deadly(work):
    def wrapped(*args, **kwargs):
        global left
        for _ in range(2):  # before, then after
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            if _ == 0:
                result = work(*args, **kwargs)
        return result
    return wrapped

os.rename, os.fsync, os.unlink = deadly(os.rename), deadly(os.fsync), deadly(os.unlink)
os.rmdir, shutil.copy2 = deadly(os.rmdir), deadly(shutil.copy2)
shutil.copytree.__defaults__ = tuple(
    shutil.copy2 if getattr(value, "__name__", "") == "copy2" else value
    for value in shutil.copytree.__defaults__
)
{act}(Sorting(Path({root!r}), CLASSIC, {into}, {copy}))
"""


def found(root: Path, into: Path) -> dict[str, list[str]]:
    """Places of each result by its time stamp; every folder must be whole."""
    stamps: dict[str, list[str]] = {}
    for folder in (root, into / "normal", into / "low_quality"):
        for place in folder.glob("outputs_*"):
            stamp = json.loads((place / "result.json").read_text())["timestamp"]
            assert (place / "processed_audio.wav").read_bytes() == place.name.encode()
            stamps.setdefault(stamp, []).append(str(place))
    return stamps


def killed(root: Path, into: Path | None, copy: bool, act: str, moment: int) -> bool:
    """Run in a process that kills itself at a moment; whether it got there."""
    where = "None" if into is None else f"Path({str(into)!r})"
    code = CHILD.format(path=sys.path, moment=moment, act=act, root=str(root), into=where, copy=copy)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=kept)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def crash(root: Path, into: Path | None, copy: bool, seed: int, rounds: int) -> int:
    """Kill sorting and undoing at random moments; how many were killed."""
    chance = random.Random(seed)
    for number in range(COUNT):
        put(root, f"outputs_{number}", record(SURE if number % 3 else UNSURE, timestamp=str(number)))
    place, deaths, died = into or root, 0, True
    sorting = Sorting(root, CLASSIC, into, copy)
    for _ in range(rounds):
        back = _journal(place) and (chance.random() < 0.3 or not died)
        act = "undo_sorting" if back else "sort_results"
        died = killed(root, into, copy, act, chance.randrange(2, 60 if into or copy else 25))
        deaths += died
        assert len(found(root, place)) == COUNT
    sort_results(sorting)
    assert {len(places) for places in found(root, place).values()} == {2 if copy else 1}
    for folder in (root, place / "normal", place / "low_quality"):
        assert not list(folder.glob(".outputs_*"))
    while _journal(place):
        assert undo_sorting(sorting)[1] == []
    assert sorted(path.name for path in root.iterdir()) == sorted(f"outputs_{n}" for n in range(COUNT))
    return deaths


def _journal(place: Path) -> bool:
    return (place / ".emotrace-filter.jsonl").exists()


def test_moving(tmp_path: Path) -> None:
    assert crash(tmp_path / "root", None, False, 1, 4) >= 2


def test_copying(tmp_path: Path) -> None:
    assert crash(tmp_path / "root", None, True, 2, 3) >= 2


def test_moving_across_file_systems(tmp_path: Path, other_disk: Path) -> None:
    assert crash(tmp_path / "root", other_disk, False, 3, 4) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_moments(seed: int, tmp_path: Path, other_disk: Path) -> None:
    assert crash(tmp_path / "a", None, False, seed, 10) >= 3
    assert crash(tmp_path / "b", other_disk, False, seed, 10) >= 3
    assert crash(tmp_path / "c", None, True, seed, 10) >= 3
