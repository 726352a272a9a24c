"""What every store does, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from emotrace.errors import LabelError, OptionError
from emotrace.outputs import frame_records, recognition_record
from emotrace.outputs.envelope import Envelope
from emotrace.results import Smoothing
from emotrace.store import Kept, Page, Store
from emotrace.store.paging import encode_cursor
from emotrace.store.schema import recognitions
from tests.store.opened import files, recognition, track


def keep(store: Store, source: str = "talk.wav", owner: str = "ann", **changes: Any) -> str:
    """Add one; its id."""
    return store.recognitions.add(recognition(source=source, **changes), owner=owner)


def all_of(page: Any, limit: int) -> list[str]:
    """The ids of every page."""
    ids: list[str] = []
    cursor = None
    while True:
        found: Page[Kept] = page(cursor=cursor, limit=limit)
        assert len(found.items) <= limit
        ids += [kept.id for kept in found.items]
        cursor = found.cursor
        if cursor is None:
            return ids
        assert len(found.items) == limit


def test_what_was_kept_is_there_again_as_it_was(store: Store, tmp_path: Path) -> None:
    result = recognition(
        "sad", 0.15, "flag", track=track(), smoothed=track(), smoothing=Smoothing("hmm", math.inf)
    )
    outline = Envelope(np.array([-0.5, -0.25], np.float32), np.array([0.5, 0.25], np.float32))
    upload = tmp_path / "upload"
    upload.write_bytes(b"RIFF")
    id = store.recognitions.add(  # noqa: A001
        result, owner="ann", granularity="frame", options={"hop": "0.1"}, outline=outline, audio=upload
    )
    kept = store.recognitions.get(id, "ann")
    assert kept is not None
    assert (kept.emotion, kept.decision, kept.codes) == ("sad", "flag", ("low-confidence",))
    assert kept.confidence == 0.8 and kept.margin == pytest.approx(0.65)
    assert (kept.options, kept.granularity, kept.has_audio) == ({"hop": "0.1"}, "frame", True)
    assert abs(datetime.now(timezone.utc) - kept.created) < timedelta(minutes=1)
    places = [store.recognitions.embedding(id, "ann"), store.recognitions.audio(id, "ann")]
    embedding, audio = (place for place in places if place is not None)
    assert audio.read_bytes() == b"RIFF"
    loaded = np.load(embedding)
    assert loaded.dtype == np.float32 and loaded.tolist() == result.embedding.tolist()
    record = store.recognitions.record(id, "ann")
    assert record is not None
    written = recognition_record(result, granularity="frame") | {"frames": list(frame_records(track()))}
    assert {**record, "timestamp": ""} == {**written, "timestamp": ""}
    again = store.recognitions.recall(id, "ann")
    assert again is not None
    back, drawn = again
    assert drawn.lows.tolist() == outline.lows.tolist()
    assert back.track is not None and back.smoothed is not None
    np.testing.assert_array_equal(back.track.probabilities, track().probabilities)
    assert (back.track.hop, back.track.method) == (0.04, "made up")
    assert back.smoothing == result.smoothing and back.verdict == result.verdict
    assert recognition_record(back)["scores"] == record["scores"]
    place = f"recognitions/{id[-2:]}/{id}"
    names = ("audio", "embedding.npy", "result.json", "timeline.npz")
    assert files(store.folder) == [f"{place}/{name}" for name in names]
    assert kept.bytes == sum((store.folder / name).stat().st_size for name in files(store.folder))


def test_adding_the_same_again_changes_nothing(store: Store) -> None:
    first = store.recognitions.add(recognition(), owner="ann", id="job-0001-item-7")
    again = store.recognitions.add(recognition("sad"), owner="ann", id="job-0001-item-7")
    [kept] = store.recognitions.search(None).items
    assert (first, again, kept.emotion) == ("job-0001-item-7", "job-0001-item-7", "happy")
    record = store.recognitions.record(first, None)
    assert record is not None and record["emotion"] == "happy"


def test_another_or_unknown_owner_finds_nothing(store: Store) -> None:
    id = keep(store)  # noqa: A001
    for found in (id, "f" * 32, "../../etc/passwd", "\x00\ud800"):
        owner = "bob" if found == id else None
        assert store.recognitions.get(found, owner) is None
        assert store.recognitions.record(found, owner) is None
        assert store.recognitions.recall(found, owner) is None
        assert store.recognitions.embedding(found, owner) is None
        assert store.recognitions.audio(found, owner) is None
        assert store.recognitions.mark(found, owner, reviewer="bob") is None
        assert not store.recognitions.delete(found, owner, actor="bob")
        assert store.feedback.add(found, owner=owner, author="bob", label="sad", note=None) is None
    assert store.recognitions.search("bob").items == ()
    assert store.recognitions.review("bob").items == ()
    assert store.recognitions.get(id, None) is not None
    assert store.audit.list().items == ()


def test_ids_that_are_none_are_refused(store: Store) -> None:
    for id in ("../../escape", "UPPER-CASE", "short", "a" * 65, "a/b/c/d/e", ".hidden-file", "-" * 10):  # noqa: A001
        with pytest.raises(OptionError, match="expected 8 to 64"):
            store.recognitions.add(recognition(), owner="ann", id=id)
    assert files(store.folder) == []


def test_a_search_finds_what_it_should(store: Store) -> None:
    talk = keep(store, "Monday TALK.wav")
    sad = keep(store, "访谈.wav", emotion="sad", decision="drop")
    odd = keep(store, "100%_sure\\.wav", decision="flag", owner="bob")
    store.feedback.add(sad, owner="ann", author="ann", label="angry", note="Sounds ÄRGERLICH")

    def found(**wanted: Any) -> set[str]:
        return {kept.id for kept in store.recognitions.search(None, **wanted).items}

    assert found(text="talk") == found(text="MONDAY t") == {talk}
    assert found(text="访谈") == found(text="ärgerlich") == found(text="angry") == {sad}
    assert found(text="%_") == found(text="\\") == {odd}
    assert found(text="\x00") == found(text="a%k") == set()
    assert found(emotion="sad") == found(decision="drop") == found(reviewed=True) == {sad}
    assert found(reviewed=False, emotion="happy") == {talk, odd}
    now = datetime.now(timezone.utc)
    assert found(since=now - timedelta(hours=1)) == found(until=now + timedelta(hours=1)) == {talk, sad, odd}
    assert found(since=now + timedelta(hours=1)) == found(until=now - timedelta(hours=1)) == set()
    east = timezone(timedelta(hours=9))
    assert found(since=(now - timedelta(hours=1)).astimezone(east)) == {talk, sad, odd}
    [kept] = store.recognitions.search("bob").items
    assert kept.id == odd


def test_names_that_no_database_can_hold_are_kept_as_far_as_they_can_be(store: Store) -> None:
    id = keep(store, "odd\x00\udc80.wav")  # noqa: A001
    kept = store.recognitions.get(id, None)
    assert kept is not None and kept.source == "odd\ufffd\ufffd.wav"
    assert store.recognitions.record(id, None) is not None


def test_the_review_queue_begins_with_what_is_doubtful(store: Store) -> None:
    sure = keep(store, second=0.0)
    close = keep(store, second=0.75)
    flagged = keep(store, second=0.1, decision="flag")
    dropped = keep(store, second=0.3, decision="drop")
    assert all_of(lambda **page: store.recognitions.review(None, **page), 2) == [
        dropped,
        flagged,
        close,
        sure,
    ]
    store.recognitions.mark(flagged, "ann", reviewer="ann")
    store.feedback.add(dropped, owner="ann", author="bob", label="sad", note=None)
    store.feedback.add(close, owner="ann", author="bob", label=None, note="unsure")
    assert all_of(lambda **page: store.recognitions.review("ann", **page), 2) == [close, sure]
    marked = store.recognitions.mark(flagged, "ann", reviewer="ann", reviewed=False)
    assert marked is not None and (marked.reviewed, marked.reviewer) == (None, None)
    assert all_of(lambda **page: store.recognitions.review("ann", **page), 2) == [flagged, close, sure]


def test_every_correction_stays(store: Store) -> None:
    id = keep(store)  # noqa: A001
    store.feedback.add(id, owner=None, author="ann", label="生气", note=None)
    store.feedback.add(id, owner=None, author="bob", label=None, note="rather\x00 surprised")
    store.feedback.add(id, owner=None, author="ann", label="surprised", note=None)
    said = [(each.author, each.label, each.note) for each in store.feedback.list(id)]
    note = "rather\ufffd surprised"
    assert said == [("ann", "angry", None), ("bob", None, note), ("ann", "surprised", None)]
    kept = store.recognitions.get(id, None)
    assert kept is not None and (kept.label, kept.note, kept.reviewer) == ("surprised", note, "ann")
    with pytest.raises(LabelError):
        store.feedback.add(id, owner=None, author="ann", label="cheerful-ish", note=None)
    for label, text in ((None, None), ("", ""), (None, "x" * 4001)):
        with pytest.raises(OptionError):
            store.feedback.add(id, owner=None, author="ann", label=label, note=text)


def test_a_deletion_leaves_nothing_but_a_line_of_the_log(store: Store, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"RIFF")
    id = store.recognitions.add(recognition(track=track()), owner="ann", audio=upload)  # noqa: A001
    store.feedback.add(id, owner="ann", author="ann", label="sad", note=None)
    assert store.recognitions.delete(id, "ann", actor="ann")
    assert files(store.folder) == []
    assert store.recognitions.get(id, None) is None and store.feedback.list(id) == ()
    [entry, _] = store.audit.list().items
    assert (entry.actor, entry.action, entry.subject) == ("ann", "delete", id)
    assert not store.recognitions.delete(id, "ann", actor="ann")


def test_the_log_is_read_page_by_page(store: Store) -> None:
    for number in range(7):
        store.audit.add("ann" if number % 2 else "bob", "read", f"id-{number}", "in detail")
    lines = []
    cursor = None
    while True:
        page = store.audit.list(cursor=cursor, limit=3)
        lines += [entry.subject for entry in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert lines == [f"id-{number}" for number in range(6, -1, -1)]
    assert [entry.subject for entry in store.audit.list(actor="ann").items] == ["id-5", "id-3", "id-1"]
    assert [entry.actor for entry in store.audit.list(subject="id-2").items] == ["bob"]
    assert store.audit.list(subject="\x00", actor="\ud800").items == ()
    assert store.audit.forget(datetime.now(timezone.utc) + timedelta(seconds=5)) == 7


def test_keys_are_kept_revoked_and_logged(store: Store) -> None:
    made = store.keys.add("k1", "phone", "digest-1", {"recognize"}, rate_per_minute=60, actor="boss")
    other = store.keys.add("k2", "tablet", "digest-2", {"history", "recognize"})
    assert store.keys.find(id="k1") == store.keys.find(hash="digest-1") == made
    assert store.keys.find(id="k9") is None and store.keys.find(hash="digest") is None
    assert store.keys.list() == (made, other)
    when = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    store.keys.touch("k1", when)
    assert store.keys.revoke("k2", actor="boss") and not store.keys.revoke("k2")
    used, revoked = store.keys.list()
    assert used == replace(made, last_used=when) and revoked.revoked is not None
    actions = [(entry.actor, entry.action, entry.subject) for entry in store.audit.list().items]
    keys = [("boss", "key-revoke", "k2"), ("local", "key-create", "k2"), ("boss", "key-create", "k1")]
    assert actions == keys


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "A" * 400, encode_cursor("review", 0.5, "a"), encode_cursor("recent", "soon", "a"),
     encode_cursor("recent", "0001-01-01T00:00:00+14:00", "a"), encode_cursor("recent", 5, "a"),
     encode_cursor("recent", "2026-05-01"), encode_cursor("recent")],
)  # fmt: skip
def test_a_cursor_of_another_list_or_of_none_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(OptionError, match="cursor"):
        store.recognitions.search(None, cursor=cursor)
    for place in (2**63, 0.5, "a", math.nan):
        with pytest.raises(OptionError, match="cursor"):
            store.audit.list(cursor=encode_cursor("audit", place))
    with pytest.raises(OptionError, match="cursor"):
        store.recognitions.review(None, cursor=encode_cursor("review", math.nan, "a"))
    for limit in (0, -1, 501):
        with pytest.raises(OptionError, match="limit"):
            store.recognitions.search(None, limit=limit)


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.7]), st.booleans()), max_size=12),
    limit=st.integers(1, 5),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_comes_once_whatever_the_page_size(
    store: Store, rows: list[tuple[int, float, bool]], limit: int
) -> None:
    with store.database.writing() as connection:
        connection.execute(delete(recognitions))
    start = datetime(2026, 5, 1, tzinfo=timezone.utc)
    times = {}
    for second, margin, flagged in rows:  # many at the same moment, many with the same margin
        id = keep(store, second=0.8 - margin, decision="flag" if flagged else "keep")  # noqa: A001
        times[id] = start + timedelta(seconds=second)
        with store.database.writing() as connection:
            chosen = update(recognitions).where(recognitions.c.id == id)
            connection.execute(chosen.values(created=times[id]))
    newest = sorted(times, key=lambda name: (times[name], name), reverse=True)
    assert all_of(lambda **page: store.recognitions.search("ann", **page), limit) == newest
    queue = all_of(lambda **page: store.recognitions.review("ann", **page), limit)
    assert sorted(queue) == sorted(times)


def test_what_comes_while_pages_are_turned_is_on_none_of_them(store: Store) -> None:
    before = [keep(store) for _ in range(4)]
    first = store.recognitions.search(None, limit=2)
    keep(store)
    store.recognitions.delete(before[3], None, actor="ann")
    second = store.recognitions.search(None, limit=2, cursor=first.cursor)
    assert [kept.id for kept in (*first.items, *second.items)] == before[::-1]
    assert second.cursor is None
