"""Moving and copying folders whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from emotrace.outputs import relocating
from emotrace.outputs.relocating import copy_folder, discard_folder, move_folder, remove_leftovers, same_tree
from tests.outputs.made import names
from tests.outputs.results_made import put, tree


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename from one folder into another says that they are on two file systems."""
    real = os.rename

    def rename(source: Any, target: Any) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target)

    monkeypatch.setattr("emotrace.outputs.relocating.os.rename", rename)


def filled(root: Path) -> Path:
    folder = put(root, "outputs_1")
    (folder / "more").mkdir()
    (folder / "more" / "notes.txt").write_text("a", encoding="utf-8")
    (folder / "link").symlink_to("../elsewhere")
    return folder


@pytest.mark.parametrize("move", [move_folder, copy_folder])
def test_a_target_is_never_replaced_even_if_it_is_empty(move: Any, tmp_path: Path) -> None:
    folder, target = filled(tmp_path), tmp_path / "there"
    target.mkdir()
    with pytest.raises(FileExistsError):
        move(folder, target)
    assert names(target) == []
    assert (folder / "result.json").is_file()


def test_across_file_systems_all_arrives_and_links_stay_links(tmp_path: Path, apart: None) -> None:
    folder = filled(tmp_path)
    before = tree(folder)
    target = tmp_path / "sub" / "outputs_1"
    target.parent.mkdir()
    move_folder(folder, target)
    assert tree(target) == before
    assert str((target / "link").readlink()) == "../elsewhere"
    assert names(tmp_path) == ["sub"]
    assert names(target.parent) == ["outputs_1"]


def test_a_real_second_file_system(tmp_path: Path, other_disk: Path) -> None:
    folder = filled(tmp_path)
    before = tree(folder)
    move_folder(folder, other_disk / "outputs_1")
    assert tree(other_disk / "outputs_1") == before
    assert names(tmp_path) == []
    move_folder(other_disk / "outputs_1", folder)
    assert tree(folder) == before
    assert names(other_disk) == []


def test_a_disk_that_fills_up_leaves_the_source_and_nothing_else(
    tmp_path: Path, apart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)
    before = tree(folder)
    (tmp_path / "sub").mkdir()

    def full(_: Path, target: Path) -> None:
        put(target.parent, target.name)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(relocating, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        move_folder(folder, tmp_path / "sub" / "outputs_1")
    assert tree(folder) == before
    assert names(tmp_path / "sub") == []


def test_a_source_that_stays_leaves_no_copy(
    tmp_path: Path, apart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)
    before = tree(folder)
    (tmp_path / "sub").mkdir()
    rename = os.rename

    def kept(source: Any, target: Any) -> None:
        if source == folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr("emotrace.outputs.relocating.os.rename", kept)
    with pytest.raises(PermissionError):
        move_folder(folder, tmp_path / "sub" / "outputs_1")
    assert tree(folder) == before
    assert names(tmp_path / "sub") == []


def test_a_source_of_which_not_all_can_be_removed_is_moved_all_the_same(
    tmp_path: Path, apart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)
    before = tree(folder)
    (tmp_path / "sub").mkdir()

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("emotrace.outputs.relocating.shutil.rmtree", refused)
        move_folder(folder, tmp_path / "sub" / "outputs_1")
    assert tree(tmp_path / "sub" / "outputs_1") == before
    assert not folder.exists()
    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == ["sub"]


def test_a_folder_that_changes_while_it_is_copied_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)
    real = relocating._copy

    def copy(source: Path, target: Path) -> None:
        real(source, target)
        (source / "result.json").write_text("{}", encoding="utf-8")

    monkeypatch.setattr(relocating, "_copy", copy)
    with pytest.raises(OSError, match="changed while it was copied"):
        copy_folder(folder, tmp_path / "outputs_2")
    assert names(tmp_path) == ["outputs_1"]


def test_a_pipe_in_a_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    os.mkfifo(folder / "pipe")
    with pytest.raises(OSError, match="named pipe"):
        copy_folder(folder, tmp_path / "outputs_2")
    assert not same_tree(folder, folder)
    assert names(tmp_path) == ["outputs_1"]


def test_trees_that_differ(tmp_path: Path) -> None:
    one = filled(tmp_path / "a")
    copy_folder(one, tmp_path / "b")
    other = tmp_path / "b"
    assert same_tree(one, other)
    (other / "more" / "notes.txt").write_text("b", encoding="utf-8")
    assert not same_tree(one, other)
    (other / "more" / "notes.txt").write_text("a", encoding="utf-8")
    (other / "link").unlink()
    assert not same_tree(one, other)
    (other / "link").symlink_to("nowhere")
    assert not same_tree(one, other)


def test_leftovers_are_told_from_everything_else(tmp_path: Path) -> None:
    for name in (".outputs_1.0123456789ab.part", ".outputs_2.0123456789ab.gone"):
        put(tmp_path, name)
    kept = [".outputs_20240101_000000_0123456789ab.tmp", ".outputs_1.part", "outputs_1.0123456789ab.part"]
    for name in kept:
        put(tmp_path, name)
    assert remove_leftovers(tmp_path) == 2
    assert names(tmp_path) == sorted(kept)


def test_a_long_chinese_name_can_be_discarded(tmp_path: Path) -> None:
    folder = put(tmp_path, "outputs_" + "录音" * 40)
    discard_folder(folder)
    assert names(tmp_path) == []
