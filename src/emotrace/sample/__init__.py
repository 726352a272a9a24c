"""The recording that comes with emotrace, to try with; a speech synthesiser made it."""

from __future__ import annotations

from pathlib import Path

from emotrace.errors import InputError


def sample_path() -> Path:
    """The shipped recording.

    Raises:
        InputError: it is not there.

    >>> sample_path().is_file()
    True
    """
    path = Path(__file__).with_name("moods.flac")
    if not path.is_file():
        raise InputError(f"the sample {str(path)!r} is not there; install emotrace again")
    return path
