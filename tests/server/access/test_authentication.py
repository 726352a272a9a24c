from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import TimestampSigner

from emotrace.errors import OptionError, StoreError
from emotrace.server.access import authentication as module
from emotrace.server.access.authentication import Authentication, digest_of, new_key
from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings
from emotrace.store import Store
from tests.clock import Clock
from tests.server.served import TOKEN


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(None, tmp_path)
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


def made(store: Store, name: str = "phone", **options: Any) -> str:
    identifier, key = new_key()
    store.keys.add(identifier, name, digest_of(key), {"recognize"}, **options)
    return key


def asking(store: Store, clock: Clock, **settings: Any) -> Authentication:
    return Authentication(Settings.of(**settings), lambda: store.keys, clock)


def bearer(authentication: Authentication, key: str, address: str = "10.0.0.1") -> Any:
    return asyncio.run(authentication.bearer(key, address))


def refused(authentication: Authentication, key: str, address: str = "10.0.0.1") -> str:
    with pytest.raises(RequestError) as caught:
        bearer(authentication, key, address)
    return caught.value.code


def session(authentication: Authentication, cookie: str) -> Any:
    return asyncio.run(authentication.session(cookie))


def test_a_key_says_whose_it_is_and_its_use_is_written_down(store: Store, clock: Clock) -> None:
    key = made(store, rate_per_minute=7, concurrency=2)
    found = bearer(asking(store, clock), key)
    assert (found.caller.name, found.caller.scopes) == ("phone", {"recognize"})
    assert (found.rate_per_minute, found.concurrency) == (7, 2)
    [kept] = store.keys.list()
    assert kept.last_used is not None
    assert kept.id == found.caller.key
    assert key not in str(kept)
    assert key.split("_", 2)[2] not in (store.folder / "emotrace.db").read_bytes().decode("latin-1")


def test_wrong_keys_are_refused(store: Store, clock: Clock) -> None:
    key = made(store)
    wrong = [key[:-1], f"{key}x", key.upper(), key.replace("emo_", ""), key[:17], "emo_", "emo__", "", TOKEN]
    authentication = asking(store, clock)
    for each in wrong:
        assert refused(authentication, each, address=repr(each)) == "unauthorized"
    past = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert refused(authentication, made(store, expires=past)) == "unauthorized"


def test_a_revoked_key_is_good_for_seconds_only_and_so_is_its_session(store: Store, clock: Clock) -> None:
    key = made(store)
    authentication = asking(store, clock)
    cookie = asyncio.run(authentication.sign_in(key, "10.0.0.1"))
    store.keys.revoke(store.keys.list()[0].id)
    assert bearer(authentication, key).caller.name == "phone"
    clock.now += module.FRESH_SECONDS
    assert session(authentication, cookie) is None
    assert refused(authentication, key) == "unauthorized"


def test_a_key_that_is_made_while_the_service_runs_is_asked_for(store: Store, clock: Clock) -> None:
    authentication = asking(store, clock)
    assert not asyncio.run(authentication.required())
    key = made(store)
    assert not asyncio.run(authentication.required())
    clock.now += module.FRESH_SECONDS
    assert asyncio.run(authentication.required())
    assert bearer(authentication, key)
    store.keys.revoke(store.keys.list()[0].id)
    clock.now += module.FRESH_SECONDS
    assert asyncio.run(authentication.required())  # the last one does not open the door


def test_the_token_is_an_admins(store: Store, clock: Clock) -> None:
    authentication = asking(store, clock, token=TOKEN)
    assert bearer(authentication, TOKEN).caller.admin
    assert session(authentication, asyncio.run(authentication.sign_in(TOKEN, ""))).caller.key == "token"
    assert bearer(authentication, made(store)).caller.scopes == {"recognize"}


def test_another_address_needs_a_key_or_the_word_insecure(store: Store, clock: Clock) -> None:
    with pytest.raises(OptionError, match="emotrace keys create"):
        asking(store, clock, host="0.0.0.0")
    asking(store, clock, host="0.0.0.0", insecure=True)
    asking(store, clock, host="0.0.0.0", token=TOKEN)
    made(store)
    assert asking(store, clock, host="0.0.0.0").asks


def test_guessing_is_slowed(store: Store, clock: Clock) -> None:
    key = made(store)
    authentication = asking(store, clock)
    guess = f"{key[:20]}{'x' * 40}"
    for _ in range(module.WRONG_AT_ONCE):
        assert refused(authentication, guess) == "unauthorized"
    assert refused(authentication, guess) == "rate"
    assert refused(authentication, key) == "rate"  # who is right is not told to who guesses
    assert bearer(authentication, key, "10.0.0.2")
    assert bearer(authentication, key)  # nor is who is known kept out by who guesses from the same address
    clock.now += 60 / module.WRONG_PER_MINUTE
    assert refused(authentication, guess) == "unauthorized"
    assert refused(authentication, guess) == "rate"


def test_guessing_from_many_addresses_is_slowed_in_bounded_memory(store: Store, clock: Clock) -> None:
    authentication = asking(store, clock)
    codes = [refused(authentication, "emo_x", f"10.0.{i // 250}.{i % 250}") for i in range(400)]
    assert codes.count("unauthorized") == module.ALL_WRONG_AT_ONCE
    assert codes[-1] == "rate"
    one_customer = [refused(asking(store, clock), "x", f"2001:db8::{i:x}") for i in range(1)]
    assert one_customer == ["unauthorized"]


def test_an_ipv6_customer_has_one_bucket(store: Store, clock: Clock) -> None:
    authentication = asking(store, clock)
    codes = [refused(authentication, "x", f"2001:db8::{i:x}") for i in range(1, 20)]
    assert codes.count("unauthorized") == module.WRONG_AT_ONCE


def test_right_keys_are_no_guesses(store: Store, clock: Clock) -> None:
    authentication = asking(store, clock)
    for _ in range(3 * module.WRONG_AT_ONCE):
        bearer(authentication, made(store))


def test_sessions_cannot_be_made_up(store: Store, clock: Clock) -> None:
    key = made(store)
    authentication = asking(store, clock)
    cookie = asyncio.run(authentication.sign_in(key, "10.0.0.1"))
    assert session(authentication, cookie).caller.name == "phone"
    identifier, chance, moment, signature = cookie.split(".")
    other = made(store, "other").split("_")[1]
    for forged in (
        f"{other}.{chance}.{moment}.{signature}",
        f"token.{chance}.{moment}.{signature}",
        f"{identifier}.{chance}.{moment}x.{signature}",
        f"{identifier}.{chance}x.{moment}.{signature}",
        f"{identifier}.{moment}.{signature}",
        f"{identifier}.{chance}.{moment}.",
        identifier,
        "",
        "..",
        "\u00e9.x.y",
    ):
        assert session(authentication, forged) is None
    assert session(asking(store, clock), cookie) is None  # of another start
    shared = {"session_secret": "a-secret-of-several-servers"}
    cookie = asyncio.run(asking(store, clock, **shared).sign_in(key, "10.0.0.1"))
    assert session(asking(store, clock, **shared), cookie).caller.name == "phone"


def test_a_session_ends(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    authentication = asking(store, clock, session_hours=2)
    cookie = asyncio.run(authentication.sign_in(made(store), "10.0.0.1"))
    late = time.time() + 2 * 3600 + 2
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: int(late))
    assert session(authentication, cookie) is None


def test_who_signs_out_ends_all_copies_of_the_cookie_and_no_other_session(store: Store, clock: Clock) -> None:
    shared = {"session_secret": "a-secret-of-several-servers"}
    here, there = asking(store, clock, **shared), asking(store, clock, **shared)
    key = made(store)
    cookie, other = (asyncio.run(here.sign_in(key, "10.0.0.1")) for _ in range(2))
    assert session(there, cookie) is not None
    asyncio.run(here.sign_out(cookie))
    assert session(here, cookie) is None
    clock.now += module.FRESH_SECONDS + 1
    assert session(there, cookie) is None
    assert session(asking(store, clock, **shared), cookie) is None  # after a restart
    assert session(here, other).caller.name == "phone"
    for nothing in (cookie, "", "made.up.by.somebody"):
        asyncio.run(here.sign_out(nothing))


def test_sessions_end_in_this_process_while_the_database_is_away(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    authentication = asking(store, clock, token=TOKEN)
    cookie, other = (asyncio.run(authentication.sign_in(TOKEN, "")) for _ in range(2))
    assert session(authentication, cookie) is not None
    assert session(authentication, other) is not None
    clock.now += module.FRESH_SECONDS + 1
    authentication._ended._keys = lambda: Away()  # type: ignore[assignment]
    asyncio.run(authentication.sign_out(cookie))
    assert "in this process only" in caplog.text
    assert session(authentication, cookie) is None
    assert session(authentication, other) is not None  # as it was when somebody last looked
    with pytest.raises(StoreError):
        session(authentication, asyncio.run(authentication.sign_in(TOKEN, "")))


def test_a_session_that_is_over_is_forgotten(store: Store) -> None:
    past, future = (datetime.now(timezone.utc) + timedelta(hours=hours) for hours in (-1, 1))
    store.keys.end_session("a" * 64, past)
    store.keys.end_session("b" * 64, future)
    store.keys.end_session("b" * 64, future)
    assert [store.keys.is_ended(each * 64) for each in "ab"] == [False, True]


class Away:
    """A database that cannot be reached."""

    def __getattr__(self, _: str) -> Any:
        raise StoreError("the database cannot be reached")


def test_while_the_database_is_away_known_keys_are_good(store: Store, clock: Clock) -> None:
    keys: list[Any] = [store.keys]
    authentication = Authentication(Settings(), lambda: keys[0], clock)
    known, unknown = made(store), made(store)
    bearer(authentication, known)
    keys[0] = Away()
    clock.now += 3600
    assert bearer(authentication, known)
    with pytest.raises(StoreError):
        bearer(authentication, unknown)
    assert not Authentication(Settings(), lambda: keys[0], clock).asks
    keys[0] = store.keys
    assert bearer(authentication, unknown)
