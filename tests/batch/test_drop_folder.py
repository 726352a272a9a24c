"""A drop folder."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.batch.drop_folder import Watching, watch
from emotrace.batch.entries import Entry
from emotrace.batch.jobs import Outcome
from emotrace.errors import InputError, OutputError
from emotrace.results import Failure
from tests.batch.made import clips, engine, found
from tests.cli.command import square, write


def look(folder: Path, out: Path, **changes: Any) -> list[Entry]:
    """What one look finds, once nothing changes any more."""
    entries: list[Entry] = []
    watching = Watching(
        str(folder), **{"settle_seconds": 0.0, "interval_seconds": 0.0, "once": True, **changes}
    )
    assert watch(watching, out, engine(), on_entry=entries.append) is None
    return entries


def names(entries: list[Entry]) -> list[str]:
    return sorted(Path(entry["file"]).name for entry in entries)


def test_each_file_once_across_restarts(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    (folder / "sub").mkdir()
    write(folder / "sub" / "c00.wav", square(0.5, 0.2))
    (folder / "broken.wav").write_bytes(b"no")
    (folder / "notes.txt").write_text("not for us")
    (folder / ".hidden.wav").write_bytes(b"")
    assert names(look(folder, out)) == ["broken.wav", "c00.wav", "c00.wav", "c01.wav", "c02.wav"]
    assert look(folder, out) == []
    write(folder / "new.wav", square(0.5, 0.2))
    assert names(look(folder, out)) == ["new.wav"]
    assert len(found(out)) == 6
    files = sorted(str(p.relative_to(out / "results")) for p in (out / "results").rglob("*.json"))
    assert files == [
        "broken.wav.json",
        "c00.wav.json",
        "c01.wav.json",
        "c02.wav.json",
        "new.wav.json",
        "sub/c00.wav.json",
    ]
    assert json.loads((out / "results/sub/c00.wav.json").read_text())["source"] == str(folder / "sub/c00.wav")
    assert json.loads((out / "results/broken.wav.json").read_text())["error"]["code"] == "audio"


def test_replaced_it_is_recognised_anew(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    [first] = look(folder, out)
    write(folder / "c00.wav", square(0.5, 0.3))
    [second] = look(folder, out)
    assert first["record"]["emotion"] != second["record"]["emotion"]
    assert len(found(out)) == 2  # both lines, until the next start
    look(folder, out)
    assert found(out) == [("c00.wav", second["record"]["emotion"])]


def test_what_still_grows_is_waited_for(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    data = write(tmp_path / "whole.wav", square(0.5, 2.0)).read_bytes()
    entries: list[Entry] = []
    stop, begun = threading.Event(), threading.Event()
    watching = Watching(str(folder), settle_seconds=0.4, interval_seconds=0.02)

    def looking() -> None:
        begun.set()
        watch(watching, out, engine(), on_entry=entries.append, stop=stop.is_set)

    thread = threading.Thread(target=looking)
    thread.start()
    try:
        assert begun.wait(10)
        with (folder / "slow.wav").open("wb") as file:
            for start in range(0, len(data), len(data) // 8):
                file.write(data[start : start + len(data) // 8])
                file.flush()
                assert entries == []
                threading.Event().wait(0.1)
        for _ in range(400):
            if entries:
                break
            threading.Event().wait(0.05)
    finally:
        stop.set()
        thread.join()
    assert [entry["record"]["duration_seconds"] for entry in entries] == [2.0]


def test_what_was_taken_away_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    local = engine()
    run = local.run

    def taking(jobs: Any, _: Any) -> Any:
        (folder / "c01.wav").unlink()
        return run(jobs)

    monkeypatch.setattr(local, "run", taking)
    entries: list[Entry] = []
    watch(Watching(str(folder), 0.0, 0.0, True), out, local, on_entry=entries.append)
    assert names(entries) == ["c00.wav"]


def test_a_broken_model_stops_it_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 4), tmp_path / "out"
    local = engine()

    def broken(jobs: Any, _: Any) -> Any:
        for job in jobs:
            yield Outcome(job, Failure(job.file, "model", "it is broken"), 0.0, None)

    monkeypatch.setattr(local, "run", broken)
    stopped = watch(Watching(str(folder), 0.0, 0.0), out, local)
    assert stopped is not None
    assert "it is broken" in stopped
    assert len(look(folder, out)) == 4


def test_a_file_that_meets_a_bug_is_tried_again_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    local, tries, entries = engine(), [], list[Entry]()
    run = local.run

    def poisoned(jobs: Any, _: Any) -> Any:
        for outcome in run(jobs):
            if not outcome.job.file.endswith("c01.wav"):
                yield outcome
                continue
            tries.append(1)
            yield Outcome(outcome.job, Failure(outcome.job.file, "bug", "who knows"), 0.0, outcome.state)

    monkeypatch.setattr(local, "run", poisoned)
    assert watch(Watching(str(folder), 0.0, 0.0, True), out, local, on_entry=entries.append) is None
    assert (names(entries), len(tries)) == (["c00.wav", "c01.wav"], 3)
    assert dict(found(out))["c01.wav"] == "bug"
    assert look(folder, out) == []


def test_a_folder_that_cannot_be_read_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    barred = str(folder / "barred")
    told: list[Failure] = []

    def listed(*_: object) -> Any:
        yield str(folder / "c00.wav")
        yield Failure(barred, "audio", "the folder cannot be read")

    monkeypatch.setattr("emotrace.batch.drop_folder.in_folder", listed)
    watch(Watching(str(folder), 0.0, 0.0, True), out, engine(), on_unreadable=told.append)
    assert [failure.source for failure in told] == [barred]


def test_a_file_that_may_not_be_read_is_taken_when_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    barred = str(folder / "c01.wav")
    told: list[Failure] = []
    monkeypatch.setattr("os.access", lambda path, _: path != barred)
    watch(Watching(str(folder), 0.0, 0.0, True), out, engine(), on_unreadable=told.append)
    assert [failure.source for failure in told] == [barred] and len(found(out)) == 1
    monkeypatch.undo()
    assert names(look(folder, out)) == ["c01.wav"]


def test_killed_before_a_new_result_took_its_place(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    look(folder, out)
    own = out / "results" / "c01.wav.json"
    before = own.read_text()
    write(folder / "c01.wav", square(0.5, 0.3))
    look(folder, out)
    after = own.read_text()
    own.write_text(before)
    look(folder, out)
    assert own.read_text() == after != before


def test_outputs_are_made_again_from_the_log(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    look(folder, out)
    lines = (out / "results.jsonl").read_text()
    (out / "results.jsonl").write_text(lines[: len(lines) // 2])
    shutil.rmtree(out / "results")
    assert look(folder, out) == []
    assert (out / "results.jsonl").read_text() == lines
    assert len(list((out / "results").iterdir())) == 3


def test_a_full_disk_ends_it_and_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if b"c01" in data:
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        look(folder, out)
    monkeypatch.undo()
    look(folder, out)
    assert len(found(out)) == 3
    assert len(list((out / "results").iterdir())) == 3


def test_two_on_one_folder(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"

    def second(_: Entry) -> None:
        with pytest.raises(OutputError, match="another batch is writing"):
            look(folder, out)

    watch(Watching(str(folder), 0.0, 0.0, True), out, engine(), on_entry=second)


def test_more_than_a_round_and_what_changes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = clips(tmp_path / "in", 10), tmp_path / "out"
    monkeypatch.setattr("emotrace.batch.drop_folder.ROUND", 3)
    entries: list[Entry] = []

    def told(entry: Entry) -> None:
        if not entries:  # one of a later round is written anew
            write(folder / "c09.wav", square(0.5, 0.4))
        entries.append(entry)

    watch(Watching(str(folder), 0.0, 0.0, True), out, engine(), on_entry=told)
    assert names(entries) == [f"c{n:02d}.wav" for n in range(10)]
    last = next(entry for entry in entries if entry["file"].endswith("c09.wav"))
    assert last["record"]["duration_seconds"] == 0.4


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        look(tmp_path / "missing", tmp_path / "out")


def test_an_output_folder_inside(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    out = folder / "out"
    assert len(look(folder, out)) == 1
    shutil.copy(folder / "c00.wav", out / "copy.wav")
    assert look(folder, out) == []


def test_a_folder_that_is_called_like_a_result(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    for name in ("c00.wav.json", "c00.wav.json_"):
        clips(folder / name, 1)
    assert len(look(folder, out)) == 3
    assert len(list((out / "results").rglob("c00.wav.json"))) == 3
    assert look(folder, out) == []


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    write(folder / ("声" * 83 + ".wav"), square(0.5, 0.2))
    assert len(look(folder, out)) == 1
    [name] = (path.name for path in (out / "results").iterdir())
    assert name.startswith("声声")
    assert look(folder, out) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["write", "remove", "look"])), max_size=12))
def test_any_order_of_events(tmp_path: Path, events: list[tuple[str, str]]) -> None:
    """Every version of a file that was there at a look is recognised once."""
    root = tmp_path / os.urandom(4).hex()
    folder, out = root / "in", root / "out"
    folder.mkdir(parents=True)
    wanted: list[str] = []
    got: list[str] = []
    unseen: set[str] = set()
    for number, (name, event) in enumerate([*events, ("", "look")]):
        path = folder / f"{name}.wav"
        if event == "write":
            write(path, square(0.5, 0.2 + number / 100))
            unseen.add(name)
        elif event == "remove":
            path.unlink(missing_ok=True)
            unseen.discard(name)
        else:
            wanted += sorted(unseen)
            unseen.clear()
            got += sorted(Path(entry["file"]).stem for entry in look(folder, out))
    assert got == wanted
