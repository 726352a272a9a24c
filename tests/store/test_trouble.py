"""A full disk, a database that goes and comes back, a killed process: nothing half-written, nothing lost."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from emotrace.errors import DiskFullError, EmotraceError, OutputError, StoreError
from emotrace.outputs.envelope import Envelope
from emotrace.store import Store
from emotrace.store.database import Database
from emotrace.store.schema import recognitions
from tests.postgres import Postgres, running
from tests.store.opened import files, recognition, track

OUTLINE = Envelope(np.array([-0.5], np.float32), np.array([0.5], np.float32))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop."""
    with running() as server:
        yield server


class Filling:
    """A disk that is full after so many calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room, self.calls = room, 0
        for owner, name in ((Path, "open"), (Path, "mkdir"), (Path, "rename"), (np, "save"), (np, "savez")):
            monkeypatch.setattr(owner, name, self._limited(getattr(owner, name)))

    def _limited(self, call: Any) -> Any:
        def limited(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls > self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*arguments, **named)

        return limited


def test_a_disk_that_is_full_at_any_step_leaves_nothing(store: Store) -> None:
    result = recognition(track=track(), smoothed=track())
    steps = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            disk = Filling(patch, steps)
            try:
                store.recognitions.add(
                    result, owner="ann", outline=OUTLINE, audio=io.BytesIO(b"RIFF"), id="one-of-many"
                )
            except DiskFullError as error:
                assert "the disk is full" in str(error)
            else:
                break
        steps += 1
        assert disk.calls > disk.room
        assert files(store.folder) == [] and store.recognitions.search(None).items == ()
    assert steps >= 7
    assert len(files(store.folder)) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_what_a_real_full_device_says_is_understood(store: Store, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        open_ = Path.open

        def full(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            return open_(Path("/dev/full") if "w" in mode else self, mode, *arguments, **named)

        patch.setattr(Path, "open", full)
        with pytest.raises(DiskFullError):
            store.recognitions.add(recognition(), owner="ann")
    assert files(store.folder) == []


def test_a_full_database_is_a_full_disk(tmp_path: Path) -> None:
    store = Store(None, tmp_path)
    with store.database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DiskFullError, match="disk is full"):
        for _ in range(200):
            store.audit.add("ann", "read", None, "x" * 1000)
    assert store.audit.list().items
    with pytest.raises(DiskFullError):
        for _ in range(200):
            store.recognitions.add(recognition(source="x" * 1000), owner="ann")
    kept = store.recognitions.search(None, limit=500).items
    assert len(files(tmp_path)) == 2 * len(kept)
    store.close()


def test_a_database_that_goes_and_comes_back_needs_no_new_start(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    store = Store(own_postgres.url, tmp_path)
    id = store.recognitions.add(recognition(), owner="ann")  # noqa: A001
    own_postgres.stop()
    for use in (
        lambda: store.recognitions.get(id, "ann"),
        lambda: store.recognitions.add(recognition(), owner="ann", id="while-it-was-gone"),
        lambda: store.recognitions.delete(id, "ann", actor="ann"),
        lambda: store.audit.add("ann", "read"),
    ):
        with pytest.raises(StoreError, match="cannot be used"):
            use()
    assert len(files(store.folder)) == 2
    own_postgres.start()
    assert store.recognitions.get(id, "ann") is not None
    assert store.recognitions.delete(id, "ann", actor="ann")
    again = store.recognitions.add(recognition(), owner="ann", id="while-it-was-gone")
    assert [kept.id for kept in store.recognitions.search(None).items] == [again]
    store.close()


def test_files_without_a_row_are_swept_when_they_are_old(store: Store) -> None:
    kept = store.recognitions.add(recognition(), owner="ann")
    store.recognitions.add(recognition(), owner="ann", id="lost-by-a-crash")
    with store.database.writing() as connection:
        connection.execute(recognitions.delete().where(recognitions.c.id == "lost-by-a-crash"))
    half = store.folder / "recognitions" / "ab" / ".half-written.0123abcd.tmp"
    half.mkdir(parents=True)
    (half / "result.json").write_text("{")
    (store.folder / "recognitions" / "README").write_text("of somebody else")
    assert store.recognitions.sweep() == 0
    before = time.time() - 7200
    for folder in (half, half.parents[1] / "sh" / "lost-by-a-crash", half.parents[1] / kept[-2:] / kept):
        os.utime(folder, (before, before))
    assert store.recognitions.sweep() == 2
    names = ("embedding.npy", "result.json")
    assert files(store.folder / "recognitions" / kept[-2:]) == [f"{kept}/{name}" for name in names]
    assert (store.folder / "recognitions" / "README").is_file()


def test_a_deletion_that_was_cut_off_is_out_of_sight_and_finished(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = store.recognitions.add(recognition(), owner="ann")  # noqa: A001

    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refuse)
        with pytest.raises(OutputError, match="permission denied"):
            store.recognitions.delete(id, "ann", actor="ann")
    assert store.recognitions.get(id, "ann") is None and store.recognitions.search(None).items == ()
    assert len(files(store.folder)) == 2
    assert store.recognitions.sweep() == 1
    assert files(store.folder) == []
    with store.database.reading() as connection:
        assert connection.execute(select(recognitions.c.id)).all() == []


def test_missing_files_are_told(store: Store) -> None:
    id = store.recognitions.add(recognition(), owner="ann")  # noqa: A001
    folder = store.recognitions.folder(id)
    assert folder is not None
    (folder / "result.json").write_text('{"emotion"')
    for read in (store.recognitions.record, store.recognitions.recall):
        with pytest.raises(StoreError, match="cannot be read: is the data folder the right one"):
            read(id, "ann")
    assert store.recognitions.delete(id, "ann", actor="ann")


WRITE = """
import sys
from pathlib import Path
from emotrace.store import Store
from tests.store.opened import recognition, track
url, folder, name = sys.argv[1:]
store = Store(url or None, Path(folder))
print("ready", flush=True)
for number in range(10_000):
    store.recognitions.add(recognition(track=track()), owner=name, id=f"{name}-{number:08d}")
    print(number, flush=True)
"""


def test_two_processes_write_at_once_and_one_is_killed(database_url: str | None, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, database_url or "", str(tmp_path), name],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        for name in ("one", "two")
    ]
    told = {}
    for name, process in zip(("one", "two"), processes, strict=True):
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(11)]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=30)
        whole = ("".join(lines) + rest).split("\n")[1:-1]
        told[name] = [f"{name}-{int(number):08d}" for number in whole]
    store = Store(database_url, tmp_path)
    for name, ids in told.items():
        assert len(ids) >= 10
        for id in ids:  # noqa: A001
            record = store.recognitions.record(id, name)
            assert record is not None and len(record["frames"]) == 4
    store.close()


def test_many_threads_share_a_store(store: Store) -> None:
    problems: list[EmotraceError] = []

    def work(name: str) -> None:
        try:
            for _ in range(8):
                id = store.recognitions.add(recognition(), owner=name)  # noqa: A001
                store.feedback.add(id, owner=name, author=name, label="sad", note=None)
                store.recognitions.search(name, limit=3)
                store.recognitions.delete(id, name, actor=name)
        except EmotraceError as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(f"user-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and store.recognitions.search(None).items == ()
    assert store.recognitions.total_bytes() == 0 and files(store.folder) == []


def test_adding_the_same_from_many_threads_keeps_one(store: Store) -> None:
    barrier = threading.Barrier(6)
    ids: list[str] = []

    def work() -> None:
        barrier.wait()
        ids.append(store.recognitions.add(recognition(), owner="ann", id="the-very-same"))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == ["the-very-same"] * 6
    assert len(store.recognitions.search(None).items) == 1 and len(files(store.folder)) == 2


def test_a_database_is_closed_when_it_cannot_be_migrated(tmp_path: Path) -> None:
    store = Store(None, tmp_path)
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'x'")
    store.close()
    with pytest.raises(StoreError):
        Database(None, tmp_path)
    (tmp_path / "emotrace.db").unlink()
    Database(None, tmp_path).close()
