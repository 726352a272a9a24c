"""What goes by age and by room, archived if wanted, told by the log; and back again."""

from __future__ import annotations

import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from emotrace.errors import InputError, OutputError
from emotrace.outputs.archive_reading import Archive
from emotrace.outputs.tidy import Choice
from emotrace.store import Store, retention
from emotrace.store.archives import archive, items_of, prune, restore
from emotrace.store.retention import Policy, tidy
from emotrace.store.schema import recognitions
from emotrace.store.types import now
from tests.store.opened import files, recognition, track


def aged(store: Store, days: float, source: str = "talk.wav") -> str:
    """A recognition of so many days ago."""
    name = store.recognitions.add(recognition(source=source, track=track()), owner="ann")
    with store.database.writing() as connection:
        chosen = update(recognitions).where(recognitions.c.id == name)
        connection.execute(chosen.values(created=now() - timedelta(days=days)))
    return name


def left(store: Store) -> set[str]:
    """The ids in the list."""
    return {kept.id for kept in store.recognitions.search(None).items}


def test_what_is_too_old_goes_and_the_log_tells(store: Store) -> None:
    old, young = aged(store, 8), aged(store, 6)
    done = tidy(store, Policy(keep_days=7))
    assert (done.removed, done.archives) == (1, ()) and done.bytes > 0
    assert left(store) == {young}
    assert {Path(name).parts[2] for name in files(store.folder)} == {young}
    [entry] = store.audit.list().items
    assert (entry.actor, entry.action, entry.subject) == ("retention", "prune", old)
    assert tidy(store, Policy()).removed == 0


def test_the_oldest_make_room(store: Store) -> None:
    names = [aged(store, days) for days in (5, 4, 3, 2, 1)]
    each = store.recognitions.total_bytes() // 5
    done = tidy(store, Policy(max_bytes=each * 3 + 10))
    assert done.removed == 2 and left(store) == set(names[2:])
    assert store.recognitions.total_bytes() <= each * 3 + 10
    assert tidy(store, Policy(max_bytes=0)).removed == 3


def test_what_is_stopped_leaves_the_rest_for_another_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    names = [aged(store, days) for days in (5, 4, 3, 2, 1)]
    answers = iter([False, True, True, True])
    done = tidy(store, Policy(keep_days=0), stop=lambda: next(answers))
    assert done.removed == 2 and left(store) == set(names[2:])
    assert tidy(store, Policy(keep_days=0)).removed == 3


def test_old_lines_of_the_log_go(store: Store) -> None:
    store.audit.add("ann", "read")
    tidy(store, Policy(audit_days=1))
    assert len(store.audit.list().items) == 1
    tidy(store, Policy(audit_days=0))
    assert store.audit.list().items == ()


def test_an_archive_holds_what_went_and_gives_it_back(store: Store, tmp_path: Path) -> None:
    name = aged(store, 8, "访谈.wav")
    store.feedback.add(name, owner="ann", author="bob", label="sad", note="hm")
    before = store.recognitions.get(name, None)
    record = store.recognitions.record(name, None)
    done = tidy(store, Policy(keep_days=7, archive=tmp_path / "old"))
    [made] = done.archives
    assert left(store) == set() and files(store.folder) == []
    assert store.audit.list().items[0].detail == f"archived in {made.name}"
    assert restore(store, made, actor="ann", dry_run=True) == ([name], [])
    assert left(store) == set()
    assert restore(store, made, actor="ann") == ([name], [])
    assert store.recognitions.get(name, None) == before
    assert store.recognitions.record(name, None) == record
    assert [(each.author, each.label) for each in store.feedback.list(name)] == [("bob", "sad")]
    assert left(store) == {found.id for found in store.recognitions.search("ann", text="访谈").items}
    again, [failure] = restore(store, made, actor="ann")
    assert again == [] and "is there already and stays" in failure.reason
    assert store.audit.list().items[0].action == "restore"


def test_nothing_goes_if_the_archive_cannot_be_written(store: Store, tmp_path: Path) -> None:
    name = aged(store, 8)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        tidy(store, Policy(keep_days=7, archive=tmp_path / "file"))
    assert left(store) == {name} and len(files(store.folder)) == 3


def test_files_that_are_lost_do_not_stop_the_rest(store: Store, tmp_path: Path) -> None:
    lost, other = aged(store, 9), aged(store, 8)
    folder = store.recognitions.folder(lost)
    assert folder is not None
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    done = tidy(store, Policy(keep_days=7, archive=tmp_path / "old"))
    assert done.removed == 2 and left(store) == set()
    with Archive(done.archives[0]) as made:
        assert made.folders == sorted([lost, other])


def test_by_hand_the_same(store: Store, tmp_path: Path) -> None:
    old, young = aged(store, 8), aged(store, 1)
    items = list(items_of(store))
    assert [item.name for item in items] == [young, old]
    chosen = Choice(older_than=timedelta(days=7)).of_items(items)
    assert [item.name for item in chosen] == [old]
    copy = archive(store, chosen, tmp_path / "copies")
    assert left(store) == {old, young} and len(copy.archives) == 1
    assert archive(store, [], tmp_path / "copies").archives == ()
    done = prune(store, chosen, tmp_path / "old", actor="me")
    assert (done.removed, len(done.archives)) == ((old,), 1)
    assert left(store) == {young}
    assert store.audit.list().items[0].actor == "me"
    assert restore(store, copy.archives[0], actor="me") == ([old], [])


def test_an_archive_of_something_else_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        restore(store, tmp_path / "none.zip", actor="me")
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("a/b.txt", "text")
    with pytest.raises(InputError, match="no archive of emotrace"):
        restore(store, path, actor="me")


def test_only_one_server_tidies_at_a_time(store: Store) -> None:
    aged(store, 8)
    with store.database.alone("tidy") as alone:
        assert alone
        done = tidy(store, Policy(keep_days=7))
    assert done.removed == (0 if store.database.postgres else 1)
    assert tidy(store, Policy(keep_days=7)).removed == (1 if store.database.postgres else 0)


def test_the_embedding_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    name = aged(store, 8)
    place = store.recognitions.embedding(name, None)
    assert place is not None
    before = np.load(place)
    [made] = tidy(store, Policy(keep_days=7, archive=tmp_path)).archives
    restore(store, made, actor="me")
    np.testing.assert_array_equal(np.load(place), before)
