"""No secret reaches a log, whoever wrote it there."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from pydantic import SecretStr

from emotrace.server.settings import Settings

HIDDEN = "***"

_PATTERNS = (
    (re.compile(r"(emo_[0-9a-f]{12}_)[\w-]+"), rf"\1{HIDDEN}"),  # API keys; their id stays
    (re.compile(r"(\b(?:bearer|basic)\s+)[\w.~+/=-]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\bemotrace=)[\w.-]+"), rf"\1{HIDDEN}"),  # sessions
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@]+@"), rf"\1{HIDDEN}@"),  # passwords of databases
)


class Redacting(logging.Formatter):
    """A formatter whose lines, tracebacks as well, are without secrets.

    Args:
        inner: makes the lines.
        secrets: texts that never stand in one.

    >>> line = Redacting(logging.Formatter(), ["correct-horse-battery"])
    >>> said = "postgresql://me:word@db/x, Bearer abc, correct-horse-battery, emo_0123456789ab_secret"
    >>> line.format(logging.makeLogRecord({"msg": said}))
    'postgresql://me:***@db/x, Bearer ***, ***, emo_0123456789ab_***'
    """

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = self._inner.format(record)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for pattern, hidden in _PATTERNS:
            text = pattern.sub(hidden, text)
        return text


def secrets_in(settings: Settings) -> list[str]:
    """The values of all secret settings.

    >>> secrets_in(Settings.of(token="correct-horse-battery"))
    ['correct-horse-battery']
    """
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
