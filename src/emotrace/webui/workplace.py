"""The private folder of one server's pages; what a crash left of another's is removed at the next start."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from emotrace.outputs.writing import output_errors

UPLOADS, RESULTS = "uploads", "results"


class Workplace:
    """A folder below the data folder that is there for as long as its process lives.

    A lock, which ends with the process however that ends, tells it from what a crash left.

    Args:
        data: folder of the data.

    Raises:
        OutputError: the folder cannot be written.

    >>> with tempfile.TemporaryDirectory() as data:
    ...     place = Workplace(Path(data))
    ...     there = (place.folder / "uploads").is_dir()
    ...     place.close()
    ...     there, place.folder.exists()
    (True, False)
    """

    def __init__(self, data: Path) -> None:
        parent = data / "ui"
        with output_errors(parent):
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(parent / "lock"):  # so that nobody sweeps what has no lock yet
                _sweep(parent)
                self.folder = Path(tempfile.mkdtemp(dir=parent)).resolve()  # which only this user may enter
                self._lock = FileLock(self.folder / "lock", thread_local=False)
                self._lock.acquire(blocking=False)
            for name in (UPLOADS, RESULTS):
                (self.folder / name).mkdir()
        atexit.register(self.close)  # of a start that failed

    def close(self) -> None:
        """Remove it."""
        atexit.unregister(self.close)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        if not folder.is_dir() or folder.is_symlink():
            continue
        lock = FileLock(folder / "lock", thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
