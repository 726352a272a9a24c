"""``emotrace sample``: a recording to try with."""

from __future__ import annotations

from pathlib import Path

import typer


def sample() -> None:
    """Print the path of a recording to try.

    It comes with emotrace and was made with a speech synthesiser.
    """
    typer.echo(str(sample_path()))


def sample_path() -> Path:
    """See :func:`emotrace.audio.sample.sample_path`."""
    from emotrace.audio.sample import sample_path as shipped

    return shipped()
