"""The queue by itself: what it leaves alone, and what it never does twice."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from emotrace.errors import StoreError
from emotrace.server.jobs.engine import Engine, Stopped
from tests.server.served import wait_for


class Work:
    """Notes what is done, and in what order."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.stopped = False

    def __call__(self, job: str, number: int) -> None:
        if self.stopped:
            raise Stopped
        time.sleep(0.01)
        self.done.append((job, number))


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def engine(work: Work, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(make_url(f"sqlite:///{tmp_path}/emotrace.db"), "here-1", work, workers=1)
    made.start()
    yield made
    made.stop(0)


def test_it_talks_to_nobody_and_leaves_the_log_as_it_was(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def ask(*given: Any, **more: Any) -> Any:
        asked.append(given)
        raise OSError("nobody is to be asked")

    monkeypatch.setattr(socket.socket, "connect", ask)
    monkeypatch.setattr(socket.socket, "bind", ask)
    monkeypatch.setattr(socket, "getaddrinfo", ask)
    root = logging.getLogger()
    handlers, level, threads = list(root.handlers), root.level, set(threading.enumerate())
    engine = Engine(make_url(f"sqlite:///{tmp_path}/emotrace.db"), "here-1", work, workers=2)
    engine.start()
    engine.enqueue("a", range(3))
    wait_for(lambda: len(work.done) == 3, "all is done")
    engine.stop(0)
    assert asked == []
    assert (root.handlers, root.level) == (handlers, level)
    assert not [h for h in logging.getLogger("dbos").handlers if isinstance(h, logging.StreamHandler)]
    assert logging.getLogger("dbos").propagate
    assert capfd.readouterr() == ("", "")
    wait_for(lambda: set(threading.enumerate()) <= threads, "all threads have ended")


def test_an_old_sqlite_has_the_function_that_dbos_uses_from_python_3_12_on(engine: Engine) -> None:
    from dbos._dbos import _get_dbos_instance

    with _get_dbos_instance()._sys_db.engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TEMP TABLE t (n, at INTEGER NOT NULL DEFAULT (unixepoch('subsec')))"
        )
        connection.exec_driver_sql("INSERT INTO t (n) VALUES (1)")
        made = connection.exec_driver_sql("SELECT at FROM t").scalar_one()
    assert abs(made - time.time()) < 60


def test_what_is_put_in_twice_is_done_once_and_jobs_take_turns(engine: Engine, work: Work) -> None:
    engine.enqueue("large", range(6))
    engine.enqueue("small", range(2))
    engine.enqueue("large", range(6))
    wait_for(lambda: len(work.done) >= 8, "all is done")
    time.sleep(0.6)
    assert sorted(work.done) == [*(("large", n) for n in range(6)), ("small", 0), ("small", 1)]
    assert work.done.index(("small", 1)) < work.done.index(("large", 5))
    assert engine.tidy() == []
    assert engine.tidy() == []


def test_what_was_begun_is_done_after_the_next_start(tmp_path: Path, work: Work) -> None:
    url = make_url(f"sqlite:///{tmp_path}/emotrace.db")
    work.stopped = True
    first = Engine(url, "here-1", work, workers=4)
    first.start()
    first.enqueue("a", range(4))
    time.sleep(1.5)
    first.stop(0)
    assert work.done == []
    work.stopped = False
    second = Engine(url, "here-1", work, workers=4)
    second.start()
    assert second.owners() == set()
    wait_for(lambda: len(work.done) == 4, "all is done")
    second.stop(0)


def test_only_who_is_dead_is_taken_over_from(tmp_path: Path, work: Work) -> None:
    url = make_url(f"sqlite:///{tmp_path}/emotrace.db")
    work.stopped = True
    first = Engine(url, "first", work, workers=4)
    first.start()
    first.enqueue("a", range(2))
    time.sleep(1.5)
    first.stop(0)
    work.stopped = False
    second = Engine(url, "second", work, workers=4)
    second.start()
    time.sleep(1.0)
    assert second.owners() == {"first"}
    assert work.done == []
    second.take_over({"somebody"})
    assert second.owners() == {"first"}
    second.take_over({"first"})
    wait_for(lambda: len(work.done) == 2, "all is done")
    second.take_over({"first"})  # once more does nothing
    time.sleep(0.6)
    assert len(work.done) == 2
    second.stop(0)


def test_what_is_left_out_is_not_begun(engine: Engine, work: Work) -> None:
    engine.enqueue("a", range(300))
    engine.drop("a")
    wait_for(lambda: not engine.owners(), "what had begun ends")
    time.sleep(0.6)
    assert len(work.done) < 10


def test_one_for_each_process(engine: Engine, work: Work, tmp_path: Path) -> None:
    other = Engine(make_url(f"sqlite:///{tmp_path}/other.db"), "here-2", work, workers=1)
    with pytest.raises(StoreError, match="another service in this process"):
        other.start()
    other.stop(0)  # which ends nothing of the first
    engine.enqueue("a", range(1))
    wait_for(lambda: work.done == [("a", 0)], "it is done")


def test_a_database_that_is_not_there_is_told_and_leaves_room(tmp_path: Path, work: Work) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gone = make_url(f"postgresql+psycopg://ann:secret@127.0.0.1:{port}/none")
    with pytest.raises(StoreError) as told:
        Engine(gone, "here-1", work, workers=1).start()
    assert "secret" not in str(told.value)
    again = Engine(make_url(f"sqlite:///{tmp_path}/emotrace.db"), "here-1", work, workers=1)
    again.start()
    again.stop(0)
