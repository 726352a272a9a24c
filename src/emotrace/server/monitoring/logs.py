"""Logs on standard error: JSON for programs or lines for people, each with the id of its request."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from random import getrandbits

from emotrace.server.monitoring.redaction import Redacting, secrets_in
from emotrace.server.settings import Settings

HEADER = "x-request-id"

log = logging.getLogger("emotrace.server")

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_ADDED = frozenset({"message", "asctime", "taskName", "fields"})
"""What a record has besides when it is written."""


@dataclass
class Note:
    """What is noted of a request while it is answered.

    Attributes:
        id: of the request.
        code: of the problem that was answered.
        source: what the client called its recording.
    """

    id: str
    code: str | None = None
    source: str | None = None


_current: ContextVar[Note | None] = ContextVar("emotrace_request", default=None)


def note() -> Note:
    """What is noted of the request that is being answered; outside of one, of none."""
    return _current.get() or Note("")


@contextmanager
def answering(given: str | None) -> Iterator[Note]:
    r"""Note the id of a request while it is answered: the one that came, if it is sane, or a new one.

    >>> with answering("proxy-7") as known, answering("two\nlines") as made:
    ...     known.id, len(made.id), note() is made
    ('proxy-7', 16, True)
    """
    made = Note(given if given and _SANE.fullmatch(given) else f"{getrandbits(64):016x}")
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def log_to_stderr(settings: Settings) -> None:
    """Send the logs of this process to standard error, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    lines = JsonLines() if settings.log_format == "json" else TextLines()
    handler.setFormatter(Redacting(lines, secrets_in(settings)))
    logging.getLogger().addHandler(handler)
    logging.getLogger("emotrace").setLevel(settings.log_level.upper())


class JsonLines(logging.Formatter):
    """One JSON object for each record.

    >>> record = logging.makeLogRecord({"msg": "loaded %s", "args": ("compact",), "ms": 7})
    >>> found = json.loads(JsonLines().format(record))
    >>> found["message"], found["ms"]
    ('loaded compact', 7)
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request": note().id or None,
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({key: value for key, value in line.items() if value is not None}, default=str)


class TextLines(logging.Formatter):
    """A line for people, with the fields at its end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(fields)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line; control characters of what a client sent are escaped."""
        fields = {**_fields(record), "request": note().id or None}
        record.fields = "".join(f" {key}={value}" for key, value in fields.items() if value is not None)
        head, newline, trace = super().format(record).partition("\nTraceback")
        if not head.isprintable():
            head = "".join(c if c.isprintable() else repr(c)[1:-1] for c in head)
        return head + newline + trace


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Those that were given as ``extra``: what not every record has, to which other libraries may add."""
    own = _ADDED.union(vars(logging.makeLogRecord({})))
    return {key: value for key, value in vars(record).items() if key not in own}
