"""What kind of sound or film a file is by its name."""

from __future__ import annotations

import mimetypes

_KINDS = mimetypes.MimeTypes()  # Python's own table, whatever the machine's files say


def media_type(name: str) -> str | None:
    """The media type of a name; None if its ending says nothing.

    >>> media_type("talk.wav"), media_type("talk")
    ('audio/x-wav', None)
    """
    return _KINDS.guess_type(name)[0]
