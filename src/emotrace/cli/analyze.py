"""``emotrace analyze``; the work is in :mod:`emotrace.cli.analysis`."""

from __future__ import annotations

import typer

from emotrace.cli.groups import with_groups
from emotrace.cli.request import Request

EXAMPLES = """\b
Examples:
  emotrace analyze talk.m4a
  emotrace analyze calls/ --csv calls.csv
  emotrace analyze talk.wav --granularity frame --plot talk.png
  emotrace analyze call.mp3 --smooth hmm --preset customer-service
  emotrace analyze talk.wav --smooth hmm --format textgrid > talk.TextGrid
  cat talk.wav | emotrace analyze - --json
"""


@with_groups
def analyze(request: Request) -> None:
    """Recognise the emotion of recordings, and judge whether to believe it.

    Results go to standard output, everything else to standard error. An input that cannot be used does
    not stop the others.
    """
    request.check()
    if request.server is not None:
        from emotrace.cli.remote import RemoteAnalysis

        raise typer.Exit(RemoteAnalysis(request).run())
    from emotrace.cli.analysis import Analysis

    raise typer.Exit(Analysis(request).run())
