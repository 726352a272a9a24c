"""What is chosen to go, and what goes."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.batch.log import Log
from emotrace.errors import InputError, OutputError
from emotrace.outputs import archive, tidy
from emotrace.outputs.found import Item, items_of
from emotrace.outputs.tidy import Choice, archive_items, prune, restore
from tests.outputs.results_made import put, record, tree

NOW = datetime(2026, 5, 20, 12)
OLD = (NOW - timedelta(days=90)).timestamp()


def batch(root: Path, name: str, when: float | None = OLD) -> Path:
    """The folder of a batch, last written to at some time."""
    folder = root / name
    folder.mkdir(parents=True)
    for file in ("summary.json", "talk_result.json"):
        (folder / file).write_text("{}")
    if when is not None:
        for place in (*folder.iterdir(), folder):
            os.utime(place, (when, when))
    return folder


def root_of(tmp_path: Path) -> Path:
    """Old and young results, and what is none of ours."""
    root = tmp_path / "root"
    put(root, "outputs_20260501_000000", record(verdict={"decision": "drop", "reasons": []}, source="a.wav"))
    put(root, "outputs_20260519_000000_2", record(verdict={"decision": "keep", "reasons": []}))
    put(root, "normal/outputs_20260401_000000")
    put(root, "outputs_20260101_000000", "no JSON")
    batch(root, "batch_20260101_000000")
    for other in ("outputs_", "outputs_of_the_garden", "batch_of_cookies", "notes"):
        (root / other).mkdir()
        (root / other / "recipe.txt").write_text("flour")
    (root / "outputs_20250101_000000").symlink_to(tmp_path)
    (root / "outputs_file").write_text("")
    return root


def test_only_results_are_seen(tmp_path: Path) -> None:
    items = {item.name: item for item in items_of(root_of(tmp_path))}
    assert set(items) == {
        "outputs_20260501_000000",
        "outputs_20260519_000000_2",
        "normal/outputs_20260401_000000",
        "outputs_20260101_000000",
        "batch_20260101_000000",
    }
    first = items["outputs_20260501_000000"]
    assert (first.made, first.emotion, first.decision) == (datetime(2026, 5, 1), "happy", "drop")
    assert first.source == "a.wav" and first.bytes > 100
    assert items["outputs_20260101_000000"].emotion is None
    assert abs(items["batch_20260101_000000"].made.timestamp() - OLD) < 2
    with pytest.raises(InputError, match="there is no folder"):
        items_of(tmp_path / "none")


def test_what_other_programs_wrote_is_not_seen(tmp_path: Path) -> None:
    for name, file in (
        ("run_marathon", "results.csv"),
        ("run_1", "results.jsonl"),
        ("run_2", "summary.json"),
        ("outputs_of_a_game", "result.json"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text('{"score": 3}')
    assert items_of(tmp_path) == []
    (tmp_path / "run_2" / "summary.json").write_text('{"total_files": 0}')
    assert [item.name for item in items_of(tmp_path)] == ["run_2"]


def test_a_batch_that_waits_stays(tmp_path: Path) -> None:
    folder = batch(tmp_path, "batch_calls", None)
    with Log(folder, {}):
        for place in (*(folder / ".batch").iterdir(), *folder.iterdir(), folder):
            os.utime(place, (OLD, OLD))
        [failure] = prune(tmp_path, items_of(tmp_path)).failures
    assert "a batch is at work" in failure.reason and folder.is_dir()
    for place in ((folder / ".batch"), folder):
        os.utime(place, (OLD, OLD))
    assert prune(tmp_path, items_of(tmp_path)).removed == ("batch_calls",)


def test_all_that_is_asked_must_be_so() -> None:
    items = [
        Item("a", NOW - timedelta(days=9), 100, decision="drop"),
        Item("b", NOW - timedelta(days=8), 900, decision="keep"),
        Item("c", NOW - timedelta(days=1), 900, decision="drop"),
        Item("d", NOW - timedelta(days=10), 5),
    ]

    def chosen(**asked: object) -> str:
        return "".join(item.name for item in Choice.of(**asked).of_items(items, NOW))

    assert chosen() == "dabc" and Choice().is_empty
    assert chosen(older_than=timedelta(days=8)) == "dab"
    assert chosen(older_than=timedelta(days=8), decisions={"drop"}) == "a"
    assert chosen(larger_than=900) == "bc"
    assert chosen(decisions={"drop", "keep"}, larger_than=101) == "bc"
    assert chosen(max_size=1900) == "d"
    assert chosen(max_size=1000) == "dab"
    assert chosen(max_size=10_000) == ""
    assert chosen(max_size=0, decisions={"drop"}) == "ac"


@given(
    sizes=st.lists(st.integers(0, 1000), max_size=20),
    room=st.integers(0, 5000),
)
def test_the_fewest_oldest_make_room(sizes: list[int], room: int) -> None:
    items = [Item(f"{n:02d}", NOW + timedelta(hours=n), size) for n, size in enumerate(sizes)]
    gone = Choice(max_size=room).of_items(items, NOW)
    assert gone == items[: len(gone)]
    assert sum(sizes[len(gone) :]) <= room
    if gone:
        assert sum(sizes[len(gone) - 1 :]) > room


def test_what_goes_is_gone_and_the_rest_is_untouched(tmp_path: Path) -> None:
    root = root_of(tmp_path)
    before = tree(root)
    chosen = Choice(older_than=timedelta(days=7)).of_items(items_of(root), NOW)
    done = prune(root, chosen)
    assert set(done.removed) == {item.name for item in chosen} and not done.failures
    assert len(chosen) == 4 and done.archives == ()
    stay = {name: data for name, data in before.items() if not name.startswith(done.removed)}
    assert tree(root) == stay and len(stay) == 7


def test_an_archive_brings_all_of_it_back(tmp_path: Path) -> None:
    root = root_of(tmp_path)
    before = tree(root)
    copy = archive_items(root, items_of(root), tmp_path / "copies")
    assert tree(root) == before and copy.removed == ()
    done = prune(root, items_of(root), tmp_path / "old")
    [made] = done.archives
    assert len(done.removed) == 5 and items_of(root) == []
    assert restore(made, root, dry_run=True)[0] == sorted(done.removed) and items_of(root) == []
    back, failures = restore(made, root)
    assert (back, failures) == (sorted(done.removed), [])
    assert tree(root) == before
    (root / "outputs_20260501_000000" / "result.json").write_text("mine")
    back, failures = restore(copy.archives[0], root)
    assert back == [] and len(failures) == 5
    assert (root / "outputs_20260501_000000" / "result.json").read_text() == "mine"


def test_nothing_goes_if_the_archive_cannot_be_written(tmp_path: Path) -> None:
    root = root_of(tmp_path)
    before = tree(root)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        prune(root, items_of(root), tmp_path / "file")
    assert tree(root) == before


def test_what_cannot_be_archived_stays(tmp_path: Path) -> None:
    root = root_of(tmp_path)
    (root / "outputs_20260501_000000" / "link").symlink_to("/etc/passwd")
    done = prune(root, items_of(root), tmp_path / "old")
    [failure] = done.failures
    assert failure.source == "outputs_20260501_000000" and "no regular file" in failure.reason
    assert [item.name for item in items_of(root)] == ["outputs_20260501_000000"]


def test_a_batch_that_may_run_stays(tmp_path: Path) -> None:
    batch(tmp_path, "batch_20260101_000000", None)
    batch(tmp_path, "run_meeting")
    done = prune(tmp_path, items_of(tmp_path))
    assert done.removed == ("run_meeting",)
    assert "within the last hour" in done.failures[0].reason


def test_what_changed_since_it_was_archived_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path, "outputs_20260101_000000")
    write = archive.write_archive

    def late(path: Path, entries: object) -> Path:
        made = write(path, entries)  # type: ignore[arg-type]
        (folder / "result.json").write_text("corrected")
        return made

    monkeypatch.setattr(tidy, "write_archive", late)
    done = prune(tmp_path, items_of(tmp_path), tmp_path / "old")
    assert done.removed == () and "was written to meanwhile; it stays" in done.failures[0].reason
    assert (folder / "result.json").read_text() == "corrected"


def test_what_is_gone_already_is_told(tmp_path: Path) -> None:
    put(tmp_path, "outputs_20260101_000000")
    items = items_of(tmp_path)
    prune(tmp_path, items)
    done = prune(tmp_path, items)
    assert done.removed == () and len(done.failures) == 1
