"""Every kind of error that the library knows."""

from __future__ import annotations

from emotrace import errors
from emotrace.errors import EmotraceError

KINDS: dict[str, type[EmotraceError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, EmotraceError)
}
"""By name; EmotraceError itself is one."""
