"""``emotrace sample``: a recording to try with."""

from __future__ import annotations

import typer


def sample() -> None:
    """Print the path of a recording to try.

    It comes with emotrace and was made with a speech synthesiser.
    """
    from emotrace.sample import sample_path

    typer.echo(str(sample_path()))
