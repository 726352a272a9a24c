"""A batch that is killed at its n-th step; run by test_resume.

Arguments: input folder, output folder, n (0 is never). A step is a write to the log, of which half is then
written, or a rename.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.batch.made import batch


def main() -> None:
    """Run it."""
    source, out, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    steps = 0
    write, rename, replace = os.write, Path.rename, Path.replace

    def step() -> bool:
        nonlocal steps
        steps += 1
        return steps == last

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def writing(file: int, data: bytes) -> int:
        if step():
            write(file, data[: len(data) // 2])
            die()
        return write(file, data)

    def renaming(path: Path, target: Any) -> Path:
        if step():
            die()
        return rename(path, target)

    def replacing(path: Path, target: Any) -> Path:
        if step():
            die()
        return replace(path, target)

    setattr(os, "write", writing)  # noqa: B010
    setattr(Path, "rename", renaming)  # noqa: B010
    setattr(Path, "replace", replacing)  # noqa: B010
    batch([source], out, formats=("csv", "jsonl", "classic", *sys.argv[4:]))


if __name__ == "__main__":
    main()
