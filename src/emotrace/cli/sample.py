"""``emotrace sample``: a recording to try with."""

from __future__ import annotations

from pathlib import Path

import typer

SUFFIXES = (".flac", ".ogg", ".wav")


def sample() -> None:
    """Print the path of a recording to try.

    It comes with emotrace and was made with a speech synthesiser.
    """
    typer.echo(str(sample_path()))


def sample_path() -> Path:
    """The shipped recording.

    Raises:
        InputError: it is not there.
    """
    from importlib.resources import files

    from emotrace.errors import InputError

    folder = Path(str(files("emotrace"))) / "sample"
    found = sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES)
    if not found:
        raise InputError(f"there is no recording in {str(folder)!r}; install emotrace again")
    return found[0]
