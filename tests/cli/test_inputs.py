from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from emotrace.cli.inputs import SUFFIXES, Recordings, expand
from emotrace.errors import InputError, OptionError
from emotrace.results import Failure


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_folder_means_the_audio_files_below_it_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.wav", "a.MP3", "c.txt", "sub/z.flac", "sub/deep/y.opus", "aa/1.m4a", "noend")
    found = [str(Path(str(item)).relative_to(tmp_path)) for item in expand([str(tmp_path)])]
    assert found == ["a.MP3", "b.wav", "aa/1.m4a", "sub/z.flac", "sub/deep/y.opus"]


def test_nothing_hidden_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "._a.wav", ".outputs_x.tmp/processed_audio.wav")
    assert expand([str(tmp_path)]) == [str(tmp_path / "a.wav")]


def test_a_folder_without_audio_is_one_failure(tmp_path: Path) -> None:
    touch(tmp_path, "docs/a.txt")
    [failure] = expand([str(tmp_path)])
    assert isinstance(failure, Failure)
    assert failure.source == str(tmp_path)
    assert "holds no audio file" in failure.reason


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    [failure] = expand([str(tmp_path)])
    assert isinstance(failure, Failure)
    assert failure.reason == f"the folder {str(tmp_path)!r} cannot be read: permission denied"


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "b.wav", "a.wav", "c.dat", "sub/d.wav", "sub/e.txt")
    assert expand(["*.wav"]) == ["a.wav", "b.wav"]
    assert expand(["?.dat"]) == ["c.dat"]  # named, so taken, whatever its ending
    assert expand(["**/*.wav"]) == ["a.wav", "b.wav", "sub/d.wav"]
    assert expand(["s*"]) == ["sub/d.wav"]
    assert expand(["**"]) == ["a.wav", "b.wav", "c.dat", "sub/d.wav", "sub/e.txt"]
    [failure] = expand(["*.mp3"])
    assert isinstance(failure, Failure)
    assert "'*.mp3'" in failure.reason


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a[1].wav", "a1.wav")
    assert expand(["a[1].wav"]) == ["a[1].wav"]
    assert expand(["a[[]1].wav"]) == ["a[1].wav"]


def test_a_file_called_dash_is_not_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "-")
    assert expand(["*"]) == ["./-"]
    assert expand(["-"]) == ["-"]


def test_the_order_of_the_arguments_is_kept(tmp_path: Path) -> None:
    touch(tmp_path, "d/a.wav")
    assert expand(["z.wav", str(tmp_path / "d"), "-", "b.wav"]) == [
        *("z.wav", str(tmp_path / "d/a.wav"), "-", "b.wav")
    ]


def test_standard_input_is_there_once() -> None:
    with pytest.raises(OptionError, match="twice"):
        expand(["-", "-"])


def test_the_endings_are_lower_case_with_a_dot() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)


class _Stdin(io.TextIOWrapper):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BufferedReader(io.BytesIO(content)))


def test_standard_input_is_copied_only_if_it_is_needed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b"sound"))
    once = Recordings(twice=False, max_bytes=100)
    opened = once.open("-")
    assert not isinstance(opened, str)
    assert opened.read() == b"sound"
    assert once.open("a.wav") == "a.wav"
    once.close()

    monkeypatch.setattr("sys.stdin", _Stdin(b"sound"))
    twice = Recordings(twice=True, max_bytes=100)
    for _ in range(2):
        opened = twice.open("-")
        assert not isinstance(opened, str)
        assert (opened.name, opened.read()) == (0, b"sound")
    twice.close()
    assert opened.closed


def test_no_more_than_the_limit_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b"x" * 5000))
    recordings = Recordings(twice=True, max_bytes=10)
    opened = recordings.open("-")
    assert not isinstance(opened, str)
    assert len(opened.read()) == 11
    recordings.close()


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        Recordings(twice=False, max_bytes=1).open("-")
