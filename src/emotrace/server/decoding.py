"""Decoding of what clients send: in processes of their own, as the settings say."""

from __future__ import annotations

from emotrace.audio.isolated import Decoders
from emotrace.server.settings import Settings


def decoders_of(settings: Settings) -> Decoders | None:
    """The processes that decode uploads; None decodes them in the service.

    >>> decoders_of(Settings.of(decode_workers=0)) is None
    True
    """
    keep = settings.decode_workers
    if keep is None:
        keep = settings.begun
    if keep == 0:
        return None
    return Decoders(keep, memory_bytes=settings.decode_memory_bytes, cpu_seconds=settings.decode_cpu_seconds)
