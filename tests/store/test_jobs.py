from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emotrace.errors import OptionError
from emotrace.store import Store
from emotrace.store.types import now

FILES = [("a.wav", 100), ("b.wav", 300), ("c.wav", 0)]


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    opened = Store(url, tmp_path)
    yield opened
    opened.close()


def added(store: Store, owner: str = "ann", **more: str) -> str:
    job = store.jobs.add(uuid.uuid4().hex, owner, {"hop": "0.1"}, FILES, **more)  # type: ignore[arg-type]
    assert job is not None
    return job


def test_a_job_goes_its_way(store: Store) -> None:
    job = added(store)
    found = store.jobs.get(job, "ann")
    assert found is not None
    assert (found.state, found.progress, found.items, found.options) == (
        *("queued", 0.0, {"queued": 3}),
        {"hop": "0.1"},
    )
    item = store.job_items.begin(job, 0)
    assert item is not None
    assert (item.source, item.state, item.attempts) == ("a.wav", "running", 1)
    assert store.job_items.progressed(job, 0, 0.5)
    found = store.jobs.get(job, "ann")
    assert found is not None
    assert found.state == "running"
    assert found.progress == pytest.approx(101 * 0.5 / 403)
    assert found.seconds_left is not None
    assert found.seconds_left > 0
    assert store.job_items.done(job, 0, item.result_id)
    assert store.job_items.begin(job, 0) is None  # once is enough
    store.job_items.begin(job, 1)
    assert store.job_items.failed(job, 1, "audio", "it is empty")
    store.job_items.begin(job, 2)
    assert store.job_items.done(job, 2, "r2")
    found = store.jobs.get(job, "ann")
    assert found is not None
    assert (found.state, found.progress, found.items, found.seconds_left) == (
        *("done", 1.0, {"done": 2, "failed": 1}),
        None,
    )
    assert found.finished is not None
    first, second, third = store.jobs.items(job)
    assert (first.recognition, second.code, third.source) == (item.result_id, "audio", "c.wav")


def test_what_has_ended_does_not_change(store: Store) -> None:
    job = added(store)
    store.job_items.begin(job, 0)
    assert store.job_items.done(job, 0, "r0")
    assert store.job_items.failed(job, 0, "bug", "too late")  # it is there, but has ended
    store.job_items.interrupted(job, 0)
    assert store.jobs.items(job)[0].state == "done"


def test_all_failed_is_failed(store: Store) -> None:
    job = added(store)
    for number in range(3):
        store.job_items.begin(job, number)
        store.job_items.failed(job, number, "audio", "broken")
    found = store.jobs.get(job, None)
    assert found is not None
    assert found.state == "failed"


def test_another_owner_sees_nothing(store: Store) -> None:
    job = added(store)
    assert store.jobs.get(job, "bob") is None
    assert store.jobs.get("no-such", None) is None
    assert not store.jobs.cancel(job, "bob", actor="bob")
    assert not store.jobs.delete(job, "bob", actor="bob")
    assert store.jobs.list("bob").items == ()
    assert [each.id for each in store.jobs.list(None).items] == [job]


def test_a_cancelled_job_begins_nothing_and_ends_what_runs(store: Store) -> None:
    job = added(store)
    store.job_items.begin(job, 0)
    assert store.jobs.cancel(job, "ann", actor="ann")
    assert not store.job_items.progressed(job, 0, 0.5)
    assert store.job_items.begin(job, 1) is None
    found = store.jobs.get(job, "ann")
    assert found is not None
    assert (found.state, found.finished) == ("cancelled", None)
    assert store.job_items.cancelled(job, 0)
    found = store.jobs.get(job, "ann")
    assert found is not None
    assert found.finished is not None
    assert [line.action for line in store.audit.list(subject=job).items] == ["job-cancel"]


def test_a_job_that_is_done_is_not_cancelled_any_more(store: Store) -> None:
    job = added(store)
    for number in range(3):
        store.job_items.begin(job, number)
        store.job_items.done(job, number, "r")
    assert store.jobs.cancel(job, "ann", actor="ann")
    found = store.jobs.get(job, "ann")
    assert found is not None
    assert found.state == "done"


def test_who_finishes_an_item_of_a_deleted_job_is_told(store: Store) -> None:
    job = added(store)
    store.job_items.begin(job, 0)
    assert store.jobs.delete(job, "ann", actor="ann")
    assert store.jobs.items(job) == ()
    assert not store.job_items.done(job, 0, "r0")
    assert not store.job_items.progressed(job, 0, 0.9)
    assert store.job_items.begin(job, 0) is None


def test_an_interrupted_item_is_begun_again_and_not_counted(store: Store) -> None:
    job = added(store)
    store.job_items.begin(job, 0)
    store.job_items.interrupted(job, 0)
    again = store.job_items.begin(job, 0)
    assert again is not None
    assert again.attempts == 1
    crashed = store.job_items.begin(job, 0)
    assert crashed is not None
    assert crashed.attempts == 2


def test_the_same_key_is_the_same_job(store: Store) -> None:
    first = added(store, key="k", fingerprint="f")
    assert added(store, key="k", fingerprint="f") == first
    assert store.jobs.add(uuid.uuid4().hex, "ann", {}, FILES, key="k", fingerprint="other") is None
    assert added(store, owner="bob", key="k", fingerprint="f") != first
    assert len(store.jobs.list("ann").items) == 1


def test_many_at_once_with_one_key_make_one_job(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: added(store, key="k", fingerprint="f"), range(16)))
    assert len(found) == 1
    assert len(store.jobs.list("ann").items) == 1


def test_pages(store: Store) -> None:
    made = [added(store) for _ in range(5)]
    first = store.jobs.list("ann", limit=2)
    second = store.jobs.list("ann", limit=2, cursor=first.cursor)
    third = store.jobs.list("ann", limit=2, cursor=second.cursor)
    seen = [job.id for page in (first, second, third) for job in page.items]
    assert (seen, third.cursor) == (made[::-1], None)
    with pytest.raises(OptionError, match="cursor"):
        store.jobs.list("ann", cursor="x")


def test_what_waits_for_the_queue(store: Store) -> None:
    first, second = added(store), added(store)
    assert store.job_items.waiting() == ((first, 3), (second, 3))
    assert store.job_items.unfinished() == 6
    store.job_items.enqueued(first)
    assert store.job_items.waiting() == ((second, 3),)
    assert store.jobs.known([first, "x"]) == {first}
    assert store.jobs.ended_before(now()) == ()


def test_signs_of_life(store: Store) -> None:
    store.job_items.beat("a")
    first = store.job_items.beats()
    store.job_items.beat("a")
    store.job_items.beat("b")
    second = store.job_items.beats()
    assert first["a"] != second["a"]
    assert set(second) == {"a", "b"}
    store.job_items.forget(["a"])
    assert set(store.job_items.beats()) == {"b"}
