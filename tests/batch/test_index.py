"""What is kept on disk of a run's inputs and of its log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.batch import index as indexes
from emotrace.batch.agenda import Agenda
from emotrace.batch.index import Index, Logged
from emotrace.batch.jobs import Job
from emotrace.errors import DiskFullError
from emotrace.results import Failure

entries = st.lists(
    st.tuples(
        st.binary(min_size=1, max_size=2), st.sampled_from([None, "audio", "crash"]), st.integers(0, 2**62)
    ),
    max_size=40,
)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(tmp_path / "index.sqlite")
    yield made
    made.close()
    assert not list(tmp_path.iterdir())


@given(entries)
def test_it_is_a_mapping_in_the_order_of_the_log(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[bytes, str | None, int]]
) -> None:
    index = Index(tmp_path_factory.mktemp("index") / "index.sqlite")
    expected: dict[bytes, Logged] = {}
    for offset, (key, code, size) in enumerate(puts):
        logged = Logged(offset, code, (size, -size) if size % 3 else None, code == "crash")
        index.put(key, logged)
        expected.pop(key, None)
        expected[key] = logged
    assert list(index.items()) == list(expected.items())
    assert len(index) == len(expected)
    assert index.get(b"never there") is None
    index.close()


def test_a_full_disk_is_told(index: Index) -> None:
    index.rows("PRAGMA max_page_count = 4")
    with pytest.raises(DiskFullError, match=r"index\.sqlite' cannot be written: the disk is full"):
        for number in range(10_000):
            index.put(number.to_bytes(16, "big"), Logged(number, None, None))


def test_jobs_come_back_as_they_were_given(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "PAGE", 2)
    given = [
        Job("b.wav"),
        Job("two\nlines 'q' \udcff.wav", 0.25, 1.5),
        Job("\ud800.wav"),  # what a table in JSON can hold, and no file system
        Job("list.csv, line 3", failure=Failure("list.csv, line 3", "input", "no 文件")),
        Job("c.wav", 1.0),
        Job("c.wav"),
    ]
    agenda = Agenda(index, iter([*given, given[0], Job("./b.wav")]), retry_failed=False)
    assert [job for _, job in agenda.given()] == given
    assert [key for key, _ in agenda.given()] == [job.key for job in given]
    assert list(agenda.known()) == [given[3]]
    counts = agenda.counts
    assert (counts.total, counts.twice, counts.earlier, agenda.missing()) == (6, 2, 0, 6)
    assert agenda.take(given[0].key) and not agenda.take(given[0].key)
    assert not agenda.take(Job("never given").key)
    assert agenda.missing() == 5


def test_large_files_first_and_segments_together(index: Index, tmp_path: Path) -> None:
    for name, size in (("small", 10), ("large", 1000), ("middle", 100)):
        (tmp_path / name).write_bytes(b"x" * size)
    small, large, middle = (str(tmp_path / name) for name in ("small", "large", "middle"))
    jobs = [Job(middle, 0, 1), Job(small), Job(middle), Job(large), Job(middle, 1, 2)]
    agenda = Agenda(index, jobs, retry_failed=False)
    assert list(agenda.to_do()) == [jobs[3], jobs[2], jobs[0], jobs[4], jobs[1]]
    for name in (small, large, middle):
        Path(name).unlink()


def test_only_what_is_not_finished_is_to_be_done(index: Index, tmp_path: Path) -> None:
    jobs = [Job(str(tmp_path / f"{n}.wav")) for n in range(4)]
    index.put(jobs[0].key, Logged(0, None, (1, 1)))
    index.put(jobs[1].key, Logged(1, "audio", None))
    index.put(b"given no more", Logged(2, None, None))
    agenda = Agenda(index, jobs, retry_failed=False)
    assert list(agenda.to_do()) == jobs[2:]
    counts = agenda.counts
    assert (counts.earlier, counts.earlier_failed, counts.weight, agenda.left_out()) == (2, 1, 2.0, 1)


def test_what_may_have_ended_a_process_comes_first(index: Index, tmp_path: Path) -> None:
    jobs = [Job(str(tmp_path / name)) for name in ("large", "crashed", "suspect \udcff", "final")]
    Path(jobs[0].file).write_bytes(b"x" * 100)
    index.put(jobs[1].key, Logged(0, "crash", None, again=True))
    index.put(jobs[3].key, Logged(1, "crash", None))
    agenda = Agenda(index, jobs, retry_failed=False, suspects={jobs[2].file, "not given"})
    assert [(job, job.risky) for job in agenda.to_do()] == [
        (jobs[1], True),
        (jobs[2], True),
        (jobs[0], False),
    ]
    assert (agenda.counts.earlier, agenda.counts.earlier_failed) == (1, 1)
    Path(jobs[0].file).unlink()
