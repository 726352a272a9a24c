"""A disk that is really full."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotrace.errors import DiskFullError
from tests.batch.made import batch, clips, logged, rows


def _mount(folder: Path, *options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or not _mount(folder, "size=48k"):
        pytest.skip("no disk can be mounted here; that needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_it_and_it_goes_on(disk: Path, tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 60), disk / "out"
    with pytest.raises(DiskFullError, match="the disk is full; free some space"):
        batch([folder], out)
    done = len(logged(out))
    assert 5 < done < 60
    with pytest.raises(DiskFullError):
        batch([folder], out)
    assert len(logged(out)) == done
    assert _mount(disk, "remount", "size=4m")
    assert batch([folder], out).record["done_now"] == 60 - done
    batch([folder], tmp_path / "calm")
    assert rows(out) == rows(tmp_path / "calm")
    assert len(set(logged(out))) == len(logged(out)) == 60
