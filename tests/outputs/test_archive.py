"""Archives hold exactly what was put in, or say that they do not; nothing leads outside or over anything."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import DiskFullError, InputError, OutputError
from emotrace.outputs import archive as module
from emotrace.outputs import archive_reading
from emotrace.outputs.archive import Entry, new_archive, signature, write_archive
from emotrace.outputs.archive_reading import MANIFEST, Archive
from tests.outputs.results_made import put, tree


def written(tmp_path: Path) -> tuple[Path, Path]:
    """A root with two results, and their archive."""
    root = tmp_path / "root"
    put(root, "outputs_1")
    put(root, "normal/outputs_2")
    (root / "outputs_1" / "deep" / "er").mkdir(parents=True)
    (root / "outputs_1" / "deep" / "er" / "声音 12:30.bin").write_bytes(os.urandom(3_000_000))
    names = ("outputs_1", "normal/outputs_2")
    return root, write_archive(new_archive(tmp_path / "old"), [Entry(name, root / name) for name in names])


def test_what_went_in_comes_out(tmp_path: Path) -> None:
    root, path = written(tmp_path)
    with Archive(path) as archive:
        archive.check()
        assert archive.folders == ["normal/outputs_2", "outputs_1"]
        for name in archive.folders:
            archive.extract(name, tmp_path / "back" / name)
    assert tree(tmp_path / "back") == tree(root)
    with zipfile.ZipFile(path) as plain:
        assert plain.testzip() is None and len(plain.namelist()) == 6


def test_it_never_writes_over_anything(tmp_path: Path) -> None:
    root, path = written(tmp_path)
    before = tree(root)
    with Archive(path) as archive, pytest.raises(OutputError, match="is there already and stays"):
        archive.extract("outputs_1", root / "outputs_1")
    assert tree(root) == before
    with pytest.raises(OutputError, match="is there already"):
        write_archive(path, [])


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9, 0.999])
def test_a_damaged_archive_is_told(tmp_path: Path, where: float) -> None:
    _, path = written(tmp_path)
    data = bytearray(path.read_bytes())
    for index in range(int(len(data) * where), int(len(data) * where) + 40):
        if index < len(data):
            data[index] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError), Archive(path) as archive:
        archive.check()


@pytest.mark.parametrize("size", [0, 10, 1000, -1])
def test_one_that_was_cut_off_is_told(tmp_path: Path, size: int) -> None:
    _, path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError), Archive(path) as archive:
        archive.check()


def changed(path: Path, change: Any) -> None:
    """Write an archive again with another manifest."""
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    files[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in files.items():
            new.writestr(name, content)


@pytest.mark.parametrize(
    "name", ["../up/result.json", "/etc/passwd", "alone", "a//b", "a/../../b", "./a/b", ".ssh/keys", "", "a/"]
)
def test_no_name_leads_outside(tmp_path: Path, name: str) -> None:
    _, path = written(tmp_path)
    changed(path, lambda manifest: manifest["files"].update({name: [1, "0" * 64]}))
    with pytest.raises(InputError, match="no place in a folder"):
        Archive(path)


def test_a_file_that_is_missing_or_was_exchanged_is_told(tmp_path: Path) -> None:
    _, path = written(tmp_path)
    changed(path, lambda manifest: manifest["files"].update({"outputs_1/more.txt": [1, "0" * 64]}))
    with Archive(path) as archive, pytest.raises(InputError, match="is missing"):
        archive.check()
    changed(path, lambda manifest: manifest["files"].pop("outputs_1/more.txt"))
    changed(path, lambda manifest: manifest["files"].update({"outputs_1/result.json": [1, "0" * 64]}))
    with Archive(path) as archive, pytest.raises(InputError, match="has changed"):
        archive.extract("outputs_1", tmp_path / "back" / "outputs_1")
    assert list((tmp_path / "back").iterdir()) == []


@pytest.mark.parametrize(
    "manifest", ["{}", "[]", "1", '{"version": 9, "files": {}}', '{"version": 1, "files": [1]}']
)
def test_a_wrong_manifest_is_told(tmp_path: Path, manifest: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as other:
        other.writestr(MANIFEST, manifest)
    with pytest.raises(InputError):
        Archive(path)


def test_links_and_pipes_are_refused_not_left_out(tmp_path: Path) -> None:
    folder = put(tmp_path, "outputs_1")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="'link', which is no regular file"):
        write_archive(tmp_path / "a.zip", [Entry("outputs_1", folder)])
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputError, match="'pipe', which is no regular file"):
        signature(folder)
    assert not (tmp_path / "a.zip").exists()


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, "outputs_1")
    (folder / os.fsdecode(b"\xff")).write_text("")
    with pytest.raises(InputError, match="no name in UTF-8"):
        write_archive(tmp_path / "a.zip", [Entry("outputs_1", folder)])


def test_what_is_written_to_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path, "outputs_1")
    copy = archive_reading.copied

    def busy(source: Any, out: Any) -> Any:
        found = copy(source, out)
        with (folder / "result.json").open("a") as file:
            file.write(" ")
        return found

    monkeypatch.setattr(module, "copied", busy)
    with pytest.raises(InputError, match="was written to while it was archived"):
        write_archive(tmp_path / "a.zip", [Entry("outputs_1", folder)])
    assert [path.name for path in tmp_path.iterdir()] == ["outputs_1"]


def test_a_disk_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path, "outputs_1")
    monkeypatch.setattr(Archive, "check", lambda self: (_ for _ in ()).throw(InputError("damaged")))
    with pytest.raises(OutputError, match="reads back wrong; is the disk all right"):
        write_archive(tmp_path / "a.zip", [Entry("outputs_1", folder)])
    assert [path.name for path in tmp_path.iterdir()] == ["outputs_1"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, path = written(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archive_reading._Writer, "write", lambda *_: full_write())
        with Archive(path) as archive, pytest.raises(DiskFullError):
            archive.extract("outputs_1", tmp_path / "back" / "outputs_1")
    assert list((tmp_path / "back").iterdir()) == []
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError):
        write_archive(tmp_path / "b.zip", [Entry("outputs_1", root / "outputs_1")])
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".*"))


def full_write() -> None:
    raise archive_reading._WriteError(OSError(errno.ENOSPC, "No space left on device"))
