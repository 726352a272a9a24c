"""Standard output, for tables."""

from __future__ import annotations

import errno
import os
import sys

from rich.console import Console


class StdoutConsole(Console):
    """Writes to standard output, text as it is.

    A reader that goes away is a :class:`BrokenPipeError` here as everywhere; rich ends the process instead.
    """

    def __init__(self) -> None:
        super().__init__(file=sys.stdout, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """See rich."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
