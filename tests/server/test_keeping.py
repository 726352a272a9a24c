"""How long the service keeps what it recognised, and what it notes while it listens."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from emotrace.audio import stream
from emotrace.errors import OptionError, StoreError
from emotrace.server import keeping
from emotrace.server.access.callers import LOCAL
from emotrace.server.keeping import Keeping, Outlined, policy_of
from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings
from emotrace.server.uploads import Upload
from emotrace.store import Store
from emotrace.store.retention import Policy
from emotrace.store.schema import recognitions
from emotrace.store.types import now
from tests.server.served import client_of, tone, wait_for
from tests.store.opened import recognition


def age(store: Store, name: str, days: float) -> None:
    """As if it were made so long ago."""
    with store.database.writing() as connection:
        chosen = update(recognitions).where(recognitions.c.id == name)
        connection.execute(chosen.values(created=now() - timedelta(days=days)))


def test_the_service_removes_what_is_old_while_it_runs(tmp_path: Path) -> None:
    store = Store(None, tmp_path / "data")
    old, young = (store.recognitions.add(recognition(), owner="ann") for _ in range(2))
    age(store, old, 31)
    with client_of(data_dir=tmp_path / "data", archive_dir=tmp_path / "old"):
        wait_for(lambda: store.recognitions.get(old, None) is None, "the old one goes")
        wait_for(lambda: store.recognitions.folder(old) is None, "its files go")
        assert store.recognitions.get(young, None) is not None
    [made] = (tmp_path / "old").iterdir()
    entries = [(entry.actor, entry.action, entry.detail) for entry in store.audit.list().items]
    assert ("retention", "prune", f"archived in {made.name}") in entries
    store.close()


def test_the_settings_say_how_long() -> None:
    found = policy_of(Settings.of())
    assert found == Policy(keep_days=30, max_bytes=10 * 1024**3, archive=None, audit_days=365)
    assert policy_of(Settings.of(keep_days=0, max_disk_bytes=0, audit_days=0)) == Policy()
    assert not Settings.of().keep_audio
    for wrong in ({"keep_days": -1}, {"max_disk_bytes": -1}, {"audit_days": "long"}):
        with pytest.raises(OptionError):
            Settings.of(**wrong)


def test_a_failure_to_tidy_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[bool] = []

    def failing(store: Store, policy: Policy, *, sweep: bool, stop: Any) -> Any:
        turns.append(sweep)
        raise StoreError("the database is gone")

    monkeypatch.setattr(keeping, "tidy", failing)
    monkeypatch.setattr(keeping, "TIDY_SECONDS", 0.0)
    store = Store(None, tmp_path)

    async def look() -> None:
        task = asyncio.ensure_future(keeping.tidying(Settings.of(), store))
        while len(turns) < 8:
            await asyncio.sleep(0.01)
        await keeping.ended(task)

    asyncio.run(look())
    store.close()
    assert turns[:8] == [True, *[False] * 5, True, False]
    assert "which is tried again: the database is gone" in caplog.text


def test_the_store_is_tidied_no_more_when_the_service_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def lasting(store: Store, policy: Policy, *, sweep: bool, stop: Callable[[], bool]) -> Any:
        begun.set()
        wait_for(stop, "it is to stop")
        ended.set()
        raise StoreError("nobody has to hear of this any more")

    monkeypatch.setattr(keeping, "tidy", lasting)
    with client_of(data_dir=tmp_path):
        assert begun.wait(30)
    assert ended.is_set()


def test_the_outline_is_taken_while_the_upload_is_decoded() -> None:
    heard = Outlined(Upload("talk.wav", io.BytesIO(tone(0.375, 2.0))))
    assert heard.name == "talk.wav" and heard.outline.highs.tolist() == [0.0]
    blocks = list(stream(heard))
    assert sum(map(len, blocks)) == 32000
    outline = heard.outline
    assert 750 <= len(outline.highs) <= 1600
    np.testing.assert_allclose(outline.highs.max(), 0.375, atol=1e-3)
    list(stream(heard))
    assert len(heard.outline.highs) == len(outline.highs)


def test_what_is_wanted_and_cannot_be_is_an_error(tmp_path: Path) -> None:
    store = Store(None, tmp_path)
    kept = Keeping(Settings.of(), store).keep(recognition(), LOCAL, wanted=True, id="made-by-a-test")
    assert kept.fields == {"id": "made-by-a-test"} and kept.headers == {"X-Recognition-Id": "made-by-a-test"}
    none = Keeping(Settings.of(history=False), store)
    assert none.keep(recognition(), LOCAL).id is None
    with pytest.raises(RequestError, match="keeps no history"):
        none.keep(recognition(), LOCAL, wanted=True)
    store.close()
