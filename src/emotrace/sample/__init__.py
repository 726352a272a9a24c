"""The recording that comes with emotrace, to try with; a speech synthesiser made it."""

from __future__ import annotations

from pathlib import Path

from emotrace.errors import InputError

SUFFIXES = (".flac", ".ogg", ".wav")


def sample_path() -> Path:
    """The shipped recording.

    Raises:
        InputError: it is not there.

    >>> sample_path().is_file()
    True
    """
    folder = Path(__file__).parent
    found = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    if not found:
        raise InputError(f"there is no recording in {str(folder)!r}; install emotrace again")
    return found[0]
