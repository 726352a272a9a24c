"""Sessions that somebody signed out of: their cookies are good no more, wherever copies of them are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from emotrace.errors import EmotraceError, StoreError

if TYPE_CHECKING:
    from emotrace.store.keys import Keys

FRESH_SECONDS = 4.0
"""How long a session that was not ended is believed to go on; and another server may take an ended one."""

_MOST_KNOWN = 1000

log = logging.getLogger("emotrace.server")


class EndedSessions:
    """What the database says of them, and what this process knows while it is away.

    Args:
        keys: opens the database; None is for a service without one.
        clock: seconds.
    """

    def __init__(
        self, keys: Callable[[], Keys] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys, self._clock = keys, clock
        self._going: OrderedDict[str, float] = OrderedDict()  # when they last were looked up
        self._ended: OrderedDict[str, None] = OrderedDict()

    async def add(self, cookie: str, hours: float) -> None:
        """End a session.

        Args:
            cookie: of it, checked before.
            hours: until it has ended by itself at the latest.
        """
        digest = _digest(cookie)
        _remember(self._ended, digest, None)
        if self._keys is None:
            return
        until = datetime.now(timezone.utc) + timedelta(hours=hours)
        try:
            await asyncio.to_thread(self._keys().end_session, digest, until)
        except EmotraceError as error:
            log.error("a session is ended in this process only: %s", error)

    async def has(self, cookie: str) -> bool:
        """Whether a session was ended.

        Raises:
            StoreError: the database cannot be reached, and could not be asked before, either.
        """
        digest = _digest(cookie)
        looked = self._going.get(digest)
        if digest in self._ended or self._keys is None:
            return digest in self._ended
        if looked is not None and self._clock() - looked < FRESH_SECONDS:
            return False
        try:
            ended = await asyncio.to_thread(self._keys().is_ended, digest)
        except StoreError:
            if looked is None:
                raise
            return False
        if ended:
            _remember(self._ended, digest, None)
        else:
            _remember(self._going, digest, self._clock())
        return ended


def _digest(cookie: str) -> str:
    return sha256(cookie.encode("utf-8", "backslashreplace")).hexdigest()


def _remember(known: OrderedDict[str, Any], digest: str, value: float | None) -> None:
    known[digest] = value
    known.move_to_end(digest)
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)
