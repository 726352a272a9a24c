from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from emotrace.webui.workplace import Workplace

LEFT = """
import os, sys
from pathlib import Path
from emotrace.webui.workplace import Workplace
print(Workplace(Path(sys.argv[1])).folder)
sys.stdout.flush()
"""


def run(folder: Path, end: str) -> Path:
    """The folder of a process that has ended."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT + end, str(folder)], stdout=subprocess.PIPE, text=True, check=False
    )
    return Path(done.stdout.strip())


def test_what_a_killed_server_left_is_swept_and_what_lives_stays(tmp_path: Path) -> None:
    alive = Workplace(tmp_path)
    left = run(tmp_path, "os.kill(os.getpid(), 9)")
    (left / "uploads" / "talk.wav").write_bytes(b"a recording")
    other = Workplace(tmp_path)
    assert not left.exists() and alive.folder.is_dir() and other.folder.is_dir()
    for place in (alive, other):
        place.close()
    assert [path.name for path in (tmp_path / "ui").iterdir()] == ["lock"]


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    assert not run(tmp_path, "sys.exit(1)").exists()
