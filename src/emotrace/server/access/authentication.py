"""API keys and the token, and the sessions of those who signed in with one."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING

from itsdangerous import BadSignature, TimestampSigner

from emotrace.errors import EmotraceError, StoreError
from emotrace.server.access.callers import SCOPES, Caller
from emotrace.server.access.ended import EndedSessions
from emotrace.server.access.limits import Buckets, slow_down
from emotrace.server.address import check_asked, is_local, network_of
from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings

if TYPE_CHECKING:
    from emotrace.store.keys import Key, Keys

PREFIX = "emo_"
FRESH_SECONDS = 4.0
"""How long what is known of a key is believed; so long a revoked one may go on, a stream a second longer."""

WRONG_PER_MINUTE, WRONG_AT_ONCE = 6, 10
"""Wrong keys from one address."""

ALL_WRONG_PER_MINUTE, ALL_WRONG_AT_ONCE = 120, 240
"""Wrong keys from all addresses together."""

_ALL = "all"
_MOST_KNOWN = 1000
_TOUCH_SECONDS = 60.0

log = logging.getLogger("emotrace.server")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a right key stands for.

    Attributes:
        caller: whose it is.
        digest: of the key.
        rate_per_minute: its own limit; None is the server's.
        concurrency: its own limit; None is the server's.
    """

    caller: Caller
    digest: str
    rate_per_minute: int | None = None
    concurrency: int | None = None


def digest_of(key: str) -> str:
    """What is stored of a key; keys are random and long, so one round of SHA-256 is enough.

    >>> len(digest_of("emo_"))
    64
    """
    return sha256(key.encode("utf-8", "backslashreplace")).hexdigest()


def new_key() -> tuple[str, str]:
    """A new API key: its public id, and the key itself, with 256 bits of chance.

    >>> identifier, key = new_key()
    >>> key.startswith(f"emo_{identifier}_"), len(identifier)
    (True, 12)
    """
    identifier = secrets.token_hex(6)
    return identifier, f"{PREFIX}{identifier}_{secrets.token_urlsafe(32)}"


class Authentication:
    """Who a key or a session belongs to.

    Args:
        settings: of the service.
        keys: opens those in the database; None is for a service without one.
        clock: seconds.

    Raises:
        OptionError: other machines could ask, and nothing would ask who they are.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Callable[[], Keys] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._keys, self._clock = settings, keys, clock
        self._known: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._right: OrderedDict[str, None] = OrderedDict()  # digests of keys that were right once
        self._touched: dict[str, float] = {}
        self._wrong = Buckets(clock)
        self._ended = EndedSessions(keys, clock)
        self._looked = -FRESH_SECONDS
        self._token: Credential | None = None
        if settings.token is not None:
            everything = Caller("token", "token", frozenset(SCOPES))
            self._token = Credential(everything, digest_of(settings.token.get_secret_value()))
        given = settings.session_secret
        self._secret = secrets.token_hex(32) if given is None else given.get_secret_value()
        self._required = self._token is not None
        if not (self._required or settings.insecure or is_local(settings)):
            self._required = self._any_key()
            check_asked(settings, self._required)

    @property
    def asks(self) -> bool:
        """Whether a key was needed when somebody last asked."""
        return self._required

    async def required(self) -> bool:
        """Whether nobody is answered without a key: there is a token, or there ever was a key."""
        if not self._required and self._clock() - self._looked >= FRESH_SECONDS:
            self._looked = self._clock()
            with suppress(StoreError):  # while the database is away, nobody made a key
                self._required = await asyncio.to_thread(self._any_key)
        return self._required

    async def bearer(self, key: str, address: str) -> Credential:
        """Whose key it is.

        Args:
            key: as it came.
            address: where it came from.

        Raises:
            RequestError: ``unauthorized``, or ``rate`` after several wrong ones.
            StoreError: the database cannot be reached.
        """
        digest = digest_of(key)
        if self._token is not None and hmac.compare_digest(digest, self._token.digest):
            return self._token
        identifier = _identifier(key)
        guess = digest not in self._right
        if guess:
            self._take_guess(address)
        found = await self._find(identifier)
        if found is None or not hmac.compare_digest(digest, found.hash) or not _good(found):
            log.warning("a wrong key came from %s", address)
            raise RequestError(
                "unauthorized",
                "the key is wrong, revoked or has expired; ask who runs the service for one",
                {"WWW-Authenticate": 'Bearer realm="emotrace"'},
            )
        if guess:
            self._give_back_guess(address)
            self._right[digest] = None
            if len(self._right) > _MOST_KNOWN:
                self._right.popitem(last=False)
        await self._touch(found.id)
        return _credential(found)

    async def session(self, cookie: str) -> Credential | None:
        """Whose session it is; None if it is over, or none.

        Raises:
            StoreError: the database cannot be reached.
        """
        identifier = cookie.partition(".")[0]
        credential = await self._of(identifier)
        if credential is None:
            return None
        try:
            self._signer(credential).unsign(cookie, max_age=round(self._settings.session_hours * 3600))
        except BadSignature:  # too old, as well
            return None
        if await self._ended.has(cookie):
            return None
        await self._touch(identifier)
        return credential

    async def sign_out(self, cookie: str) -> None:
        """End a session, wherever copies of its cookie are; what is none is left alone.

        Raises:
            StoreError: the database cannot be reached.
        """
        credential = await self.session(cookie)
        if credential is not None:
            await self._ended.add(cookie, self._settings.session_hours)
            log.info("%s signed out", credential.caller.key)

    async def sign_in(self, key: str, address: str) -> str:
        """A session for who has a key: the value of a cookie.

        Raises:
            RequestError: see :meth:`bearer`.
            StoreError: the database cannot be reached.
        """
        credential = await self.bearer(key, address)
        log.info("%s signed in from %s", credential.caller.key, address)
        session = f"{credential.caller.key}.{secrets.token_hex(8)}"  # each is one of its own
        return self._signer(credential).sign(session).decode()

    def _signer(self, credential: Credential) -> TimestampSigner:
        """Of sessions that end with their key, and that nobody can make who only read the database."""
        secret = f"{self._secret}{credential.digest}"
        return TimestampSigner(secret, salt="emotrace.session", digest_method=sha256)

    async def _of(self, identifier: str) -> Credential | None:
        if self._token is not None and identifier == self._token.caller.key:
            return self._token
        found = await self._find(identifier) if identifier else None
        return _credential(found) if found is not None and _good(found) else None

    async def _find(self, identifier: str) -> Key | None:
        then, key = self._known.get(identifier, (0.0, None))
        if key is not None and self._clock() - then < FRESH_SECONDS:
            return key
        if self._keys is None or not identifier:
            return None
        try:
            found = await asyncio.to_thread(self._keys().find, id=identifier)
        except StoreError:
            if key is not None:  # while the database is away, nobody revoked it
                return key
            raise
        key = found
        self._known.pop(identifier, None)
        if key is not None:
            self._known[identifier] = (self._clock(), key)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return key

    async def _touch(self, identifier: str) -> None:
        """Write down that a key is used, now and then."""
        now = self._clock()
        if self._keys is None or identifier == "token":
            return
        if now - self._touched.get(identifier, -_TOUCH_SECONDS) < _TOUCH_SECONDS:
            return
        if len(self._touched) > _MOST_KNOWN:
            self._touched.clear()
        self._touched[identifier] = now
        try:
            await asyncio.to_thread(self._keys().touch, identifier)
        except EmotraceError as error:  # of which nobody needs to suffer
            log.warning("the use of key %s is not written down: %s", identifier, error)

    def _any_key(self) -> bool:
        return self._keys is not None and bool(self._keys().list())

    def _take_guess(self, address: str) -> None:
        """Count a key as a wrong one before it is looked at, so that many at once are many."""
        wait = self._wrong.take(network_of(address), WRONG_PER_MINUTE, WRONG_AT_ONCE)
        if not wait:
            wait = self._wrong.take(_ALL, ALL_WRONG_PER_MINUTE, ALL_WRONG_AT_ONCE)
        if wait:
            raise slow_down("too many wrong keys came", wait)

    def _give_back_guess(self, address: str) -> None:
        self._wrong.give_back(network_of(address), WRONG_AT_ONCE)
        self._wrong.give_back(_ALL, ALL_WRONG_AT_ONCE)


def _identifier(key: str) -> str:
    """The public part of an API key; empty if it is none."""
    if not key.startswith(PREFIX):
        return ""
    identifier, _, secret = key.removeprefix(PREFIX).partition("_")
    return identifier if secret and len(identifier) == 12 and identifier.isascii() else ""


def _good(key: Key) -> bool:
    return key.revoked is None and (key.expires is None or key.expires > datetime.now(timezone.utc))


def _credential(key: Key) -> Credential:
    caller = Caller(key.id, key.name, key.scopes)
    return Credential(caller, key.hash, key.rate_per_minute, key.concurrency)
