"""Sorting result folders, and taking it back."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import InputError, OptionError, OutputError
from emotrace.outputs import sorting as module
from emotrace.outputs.journal import JOURNAL_FILE
from emotrace.outputs.relocating import move_folder
from emotrace.outputs.sorting import sort_results, undo_sorting
from emotrace.outputs.sorting_plan import Sorted, Sorting
from emotrace.postprocess.presets import CLASSIC
from emotrace.postprocess.rules import Rules
from tests.outputs.made import names
from tests.outputs.results_made import SURE, UNSURE, put, record, results, tree


def sorting(root: Path, **changes: Any) -> Sorting:
    return Sorting(**{"root": root, "rules": CLASSIC, **changes})


def filled(root: Path) -> Path:
    """Two sure results, one unsure, one broken, and things that are none."""
    put(root, "outputs_1")
    put(root, "outputs_2", record(UNSURE))
    put(root, "outputs_3", {"emotion": "开心", "confidence": 0.9, "scores": {"开心": 0.9, "难过": 0.1}})
    put(root, "outputs_4", "no JSON")
    put(root, "batch_1")
    put(root, ".outputs_20240101_000000_0123456789ab.tmp")
    (root / "outputs_file").write_text("x", encoding="utf-8")
    return root


SORTED = ["low_quality/outputs_2", "normal/outputs_1", "normal/outputs_3", "outputs_4", "outputs_file"]


def test_results_are_sorted_by_the_classic_rules(tmp_path: Path) -> None:
    before = tree(filled(tmp_path))
    items = sort_results(sorting(tmp_path))
    assert results(tmp_path) == SORTED
    assert [(item.name, item.place, item.status, item.action) for item in items] == [
        ("outputs_1", "normal/outputs_1", "normal", "moved"),
        ("outputs_2", "low_quality/outputs_2", "low_quality", "moved"),
        ("outputs_3", "normal/outputs_3", "normal", "moved"),
        ("outputs_4", "outputs_4", "broken", "none"),
    ]
    assert items[1].verdict is not None
    assert items[1].verdict.codes == ("low-confidence", "ambiguous")
    moved = {f"{Path(item.place).parent}/{item.name}".removeprefix("./"): item.name for item in items}
    for place, name in moved.items():
        assert (tmp_path / place / "processed_audio.wav").read_bytes() == before[
            f"{name}/processed_audio.wav"
        ]
    assert (tmp_path / ".outputs_20240101_000000_0123456789ab.tmp").is_dir()


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    first = sort_results(sorting(tmp_path))
    before = tree(tmp_path)
    second = sort_results(sorting(tmp_path))
    assert tree(tmp_path) == before
    assert [(item.name, item.place, item.status) for item in second] == [
        (item.name, item.place, item.status) for item in first
    ]
    assert {item.action for item in second} == {"none"}


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    before = tree(filled(tmp_path))
    told = sort_results(sorting(tmp_path), dry_run=True)
    assert tree(tmp_path) == before
    done = sort_results(sorting(tmp_path))
    assert [(i.place, i.status, i.action) for i in told] == [(i.place, i.status, i.action) for i in done]


def test_other_rules_sort_again_and_each_run_can_be_taken_back(tmp_path: Path) -> None:
    before = tree(filled(tmp_path))
    sort_results(sorting(tmp_path))
    put(tmp_path, "outputs_5", record({"happy": 0.7, "sad": 0.3}))
    sort_results(sorting(tmp_path, rules=CLASSIC.with_changes(min_confidence=0.87)))
    assert "low_quality/outputs_1" in results(tmp_path)
    assert "low_quality/outputs_5" in results(tmp_path)
    assert undo_sorting(sorting(tmp_path)) == (2, [])
    assert results(tmp_path) == sorted([*SORTED, "outputs_5"])
    assert undo_sorting(sorting(tmp_path)) == (3, [])
    assert {k: v for k, v in tree(tmp_path).items() if not k.startswith("outputs_5")} == before
    assert not (tmp_path / "normal").exists()
    with pytest.raises(InputError, match="nothing to undo"):
        undo_sorting(sorting(tmp_path))


def test_flagged_results_are_low_quality_only_if_asked(tmp_path: Path) -> None:
    put(tmp_path, "outputs_1", record(quality={"snr_db": 3}))
    rules = Rules()
    [item] = sort_results(sorting(tmp_path, rules=rules))
    assert (item.status, item.verdict and item.verdict.decision) == ("normal", "flag")
    [item] = sort_results(sorting(tmp_path, rules=rules, strict=True))
    assert item.place == "low_quality/outputs_1"


def test_two_results_never_share_a_name(tmp_path: Path) -> None:
    put(tmp_path / "normal", "outputs_1")
    put(tmp_path / "low_quality", "outputs_1", record(SURE, timestamp="2"))
    put(tmp_path, "outputs_1", record(SURE, timestamp="3"))
    sort_results(sorting(tmp_path))
    assert results(tmp_path) == ["normal/outputs_1", "normal/outputs_1_2", "normal/outputs_1_3"]
    stamps = [json.loads((tmp_path / p / "result.json").read_text())["timestamp"] for p in results(tmp_path)]
    assert sorted(stamps) == ["2", "2024-01-04 22:30:00", "3"]


def test_copies(tmp_path: Path) -> None:
    before = tree(filled(tmp_path))
    sort_results(sorting(tmp_path, copy=True))
    assert {k: v for k, v in tree(tmp_path).items() if k in before} == before
    assert results(tmp_path) == sorted([*SORTED[:3], "outputs_1", "outputs_2", "outputs_3", *SORTED[3:]])
    after = tree(tmp_path)
    items = sort_results(sorting(tmp_path, copy=True))
    assert tree(tmp_path) == after
    assert {item.action for item in items} == {"none"}
    sort_results(sorting(tmp_path, copy=True, rules=CLASSIC.with_changes(min_confidence=0.87)))
    assert "low_quality/outputs_1" in results(tmp_path)
    assert "normal/outputs_1" not in results(tmp_path)
    with pytest.raises(OptionError, match="holds sorted copies; go on with --copy"):
        sort_results(sorting(tmp_path))
    undo_sorting(sorting(tmp_path))
    assert undo_sorting(sorting(tmp_path)) == (3, [])
    assert tree(tmp_path) == before


def test_a_copy_that_was_changed_is_not_removed_by_undo(tmp_path: Path) -> None:
    put(tmp_path, "outputs_1")
    put(tmp_path, "outputs_2")
    sort_results(sorting(tmp_path, copy=True))
    (tmp_path / "normal" / "outputs_1" / "my notes.txt").write_text("x", encoding="utf-8")
    back, [failure] = undo_sorting(sorting(tmp_path))
    assert back == 1
    assert "differs from its original" in failure.reason
    assert (tmp_path / "normal" / "outputs_1" / "my notes.txt").is_file()


def test_undo_replaces_nothing_and_tells_what_stays(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put(tmp_path, f"outputs_{number}")
    sort_results(sorting(tmp_path))
    put(tmp_path, "outputs_1", record(SURE, timestamp="new"))
    (tmp_path / "normal" / "outputs_2").rename(tmp_path / "elsewhere")
    back, failures = undo_sorting(sorting(tmp_path))
    assert back == 1
    assert sorted(failure.source for failure in failures) == ["normal/outputs_1", "normal/outputs_2"]
    assert results(tmp_path) == ["normal/outputs_1", "outputs_1", "outputs_3"]
    sort_results(sorting(tmp_path))
    assert results(tmp_path) == ["normal/outputs_1", "normal/outputs_1_2", "normal/outputs_3"]


def test_the_results_can_go_elsewhere(tmp_path: Path) -> None:
    root, into = filled(tmp_path / "root"), tmp_path / "a" / "b"
    before = tree(root)
    sort_results(sorting(root, into=into))
    assert names(into / "normal") == ["outputs_1", "outputs_3"]
    with pytest.raises(OptionError, match="holds the sorted results of"):
        sort_results(sorting(filled(tmp_path / "other"), into=into))
    undo_sorting(sorting(root, into=into))
    assert tree(root) == before


@pytest.mark.parametrize("name", ["outputs_a", "outputs_a/deep", "outputs_new"])
def test_a_target_inside_what_is_sorted_is_refused(name: str, tmp_path: Path) -> None:
    root = filled(tmp_path)
    before = sorted(root.rglob("*"))
    for dry_run in (True, False):
        with pytest.raises(OptionError, match="of the results to be sorted; choose another folder"):
            sort_results(sorting(root, into=root / name), dry_run=dry_run)
    assert sorted(root.rglob("*")) == before
    assert sort_results(sorting(root, into=root / "sorted"))


def test_a_place_for_nothing_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    elsewhere = sorting(tmp_path / "root", into=tmp_path / "a" / "b")
    assert sort_results(elsewhere) == []
    with pytest.raises(InputError, match="nothing to undo"):
        undo_sorting(elsewhere)
    assert names(tmp_path) == ["root"]


def test_an_empty_root(tmp_path: Path) -> None:
    assert sort_results(sorting(tmp_path)) == []
    assert names(tmp_path) == []


def test_roots_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="is a file; expected a folder"):
        sort_results(sorting(file))
    with pytest.raises(InputError, match="does not exist"):
        sort_results(sorting(tmp_path / "nowhere"))
    with pytest.raises(OutputError, match="a file is in the way"):
        sort_results(sorting(tmp_path, into=file))


def test_links_are_neither_followed_nor_moved(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "outputs_9")
    root = tmp_path / "root"
    put(root, "outputs_1")
    (root / "outputs_2").symlink_to(outside)
    put(root, "outputs_3")
    (root / "outputs_3" / "result.json").unlink()
    (root / "outputs_3" / "result.json").symlink_to(outside / "result.json")
    items = sort_results(sorting(root))
    assert [item.status for item in items] == ["normal", "broken", "broken"]
    assert all("symbolic link" in item.failure.reason for item in items if item.failure)
    assert (root / "outputs_2").is_symlink()
    assert names(tmp_path / "outside") == ["outputs_9"]


@pytest.mark.parametrize("name", ["normal", "low_quality", "quality_report.csv", JOURNAL_FILE])
def test_links_in_place_of_our_own_are_refused(name: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(root, "outputs_1")
    outside.mkdir()
    (root / name).symlink_to(outside)
    with pytest.raises((OutputError, InputError), match=f"{name}.*(symbolic link|no regular file)"):
        sort_results(sorting(root))
    assert names(outside) == []
    assert (root / "outputs_1").is_dir()


@pytest.mark.parametrize("name", ["normal", "low_quality"])
def test_undo_takes_nothing_from_where_a_link_leads(name: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(root, "outputs_1")
    put(root, "outputs_2", record(UNSURE))
    sort_results(sorting(root))
    (root / name).rename(tmp_path / "away")
    put(outside, "outputs_1")
    put(outside, "outputs_2")
    (root / name).symlink_to(outside)
    with pytest.raises(OutputError, match=f"{name}' is a symbolic link, which is not followed"):
        undo_sorting(sorting(root))
    assert names(outside) == ["outputs_1", "outputs_2"]
    (root / name).unlink()
    (tmp_path / "away").rename(root / name)
    assert undo_sorting(sorting(root)) == (2, [])


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "outputs_1")
    (tmp_path / "normal").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match=r"normal' is a file; expected a folder"):
        sort_results(sorting(tmp_path))
    assert (tmp_path / "outputs_1").is_dir()


def test_a_folder_that_cannot_be_moved_is_told_and_the_others_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    real = move_folder

    def move(source: Path, target: Path) -> None:
        if source.name == "outputs_1":
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(module, "move_folder", move)
    first = sort_results(sorting(tmp_path))[0]
    assert (first.place, first.action) == ("outputs_1", "none")
    assert first.failure is not None
    assert first.failure.code == "output"
    assert "permission denied; it is still where it was" in first.failure.reason
    assert results(tmp_path) == ["low_quality/outputs_2", "normal/outputs_3", "outputs_1", *SORTED[3:]]
    monkeypatch.undo()
    sort_results(sorting(tmp_path))
    assert results(tmp_path) == SORTED
    undo_sorting(sorting(tmp_path))
    undo_sorting(sorting(tmp_path))
    assert results(tmp_path) == ["outputs_1", "outputs_2", "outputs_3", *SORTED[3:]]


def test_nothing_moves_if_the_journal_cannot_be_written(tmp_path: Path) -> None:
    before = tree(filled(tmp_path))
    (tmp_path / JOURNAL_FILE).mkdir()
    with pytest.raises(InputError, match="no regular file"):
        sort_results(sorting(tmp_path))
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    [
        "nonsense\n",
        '{"move": ["outputs_1", "normal/outputs_1"]}\n',
        '{"run": "1", "root": "."}\n{"move": ["../../etc", "normal/outputs_1"]}\n',
        '{"run": "1", "root": "."}\n{"move": ["outputs_1", "normal/../../outputs_x"]}\n',
        '{"run": "1", "root": "."}\n{"move": ["outputs_1", "outputs_2"]}\n',
        '{"run": "1", "root": "."}\n{"remove": ["outputs_1", "normal/outputs_1"]}\n',
        '{"end": "1"}\n',
        "[]\n",
    ],
)
def test_a_damaged_or_foreign_journal_moves_nothing(text: str, tmp_path: Path) -> None:
    put(tmp_path, "outputs_1")
    (tmp_path / JOURNAL_FILE).write_text(text, encoding="utf-8")
    before = tree(tmp_path)
    for act in (sort_results, undo_sorting):
        with pytest.raises(InputError, match="is damaged; move it away"):
            act(sorting(tmp_path))
    assert tree(tmp_path) == before


def test_a_journal_that_was_cut_off_in_a_line_goes_on(tmp_path: Path) -> None:
    filled(tmp_path)
    sort_results(sorting(tmp_path))
    with (tmp_path / JOURNAL_FILE).open("a", encoding="utf-8") as file:
        file.write('{"run": "abc", "ro')
    put(tmp_path, "outputs_5")
    before = tree(tmp_path)
    sort_results(sorting(tmp_path), dry_run=True)
    assert tree(tmp_path) == before
    sort_results(sorting(tmp_path))
    assert "normal/outputs_5" in results(tmp_path)
    assert undo_sorting(sorting(tmp_path)) == (1, [])
    assert undo_sorting(sorting(tmp_path)) == (3, [])


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_two_runs_at_once(tmp_path: Path) -> None:
    put(tmp_path, "outputs_1")
    told: list[str] = []

    def meanwhile(*_: object) -> None:
        with pytest.raises(OutputError) as caught:
            sort_results(sorting(tmp_path))
        told.append(str(caught.value))

    sort_results(sorting(tmp_path), on_progress=meanwhile)
    assert "another run is sorting" in told[0]


SCORES = st.sampled_from([SURE, UNSURE, {"sad": 0.65, "happy": 0.35}, {"sad": 0.2}])
ACTIONS = st.sampled_from(["sort", "strict rules", "undo", "new"])


@settings(max_examples=25, deadline=None)
@given(st.lists(SCORES, max_size=4), st.lists(ACTIONS, max_size=6))
def test_whatever_is_done_every_result_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, first: list[dict[str, float]], actions: list[str]
) -> None:
    root = tmp_path_factory.mktemp("root")
    stamps: list[str] = []

    def add(scores: dict[str, float], name: str) -> None:
        stamps.append(str(len(stamps)))
        put(root, name, record(scores, timestamp=stamps[-1]))

    for number, scores in enumerate(first):
        add(scores, f"outputs_{number}")
    for action in actions:
        if action == "new" and not (root / "outputs_0").exists():
            add(SURE, "outputs_0")
        elif action == "undo":
            try:
                undo_sorting(sorting(root))
            except InputError as error:
                assert "nothing to undo" in str(error)
        elif action != "new":
            rules = CLASSIC if action == "sort" else Rules(min_confidence=0.8)
            items: list[Sorted] = sort_results(sorting(root, rules=rules))
            assert all(item.place.startswith(f"{item.status}/") for item in items)
        found = [json.loads((root / p / "result.json").read_text())["timestamp"] for p in results(root)]
        assert sorted(found) == sorted(stamps)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of root's while this process is not root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() != 0:
            yield folder
            return
        put(folder / "root", "outputs_1")
        os.seteuid(65534)
        try:
            yield folder / "root"
        finally:
            os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root, to become another user")
def test_a_root_that_may_not_be_written_or_read(as_nobody: Path) -> None:
    with pytest.raises(OutputError, match="permission denied; choose another place"):
        sort_results(sorting(as_nobody))
    assert sort_results(sorting(as_nobody), dry_run=True)[0].place == "normal/outputs_1"
    os.seteuid(0)
    as_nobody.chmod(0)
    os.seteuid(65534)
    with pytest.raises(InputError, match="cannot be read: permission denied; check its permissions"):
        sort_results(sorting(as_nobody))
    os.seteuid(0)
    as_nobody.chmod(0o777)
    (as_nobody / "outputs_1" / "result.json").chmod(0)
    os.seteuid(65534)
    [item] = sort_results(sorting(as_nobody))
    assert item.failure is not None
    assert item.failure.reason == "result.json cannot be read: permission denied"
