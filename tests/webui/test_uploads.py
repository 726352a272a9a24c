from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.server.problems import RequestError
from emotrace.webui import uploads as module
from emotrace.webui.uploads import Uploads


def put(uploads: Uploads, name: str, owner: str, size: int = 10) -> str:
    path = uploads.folder / name
    path.write_bytes(b"x" * size)
    uploads.add(str(path), owner)
    return str(path)


def test_a_file_of_two_goes_when_both_drop_it(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    for owner in ("ann", "bob"):
        path = put(uploads, "talk.wav", owner)
    uploads.drop(path, "ann")
    with pytest.raises(RequestError, match="upload it again"):
        uploads.check(path, "ann")
    uploads.check(path, "bob")
    assert Path(path).exists()
    uploads.drop(path, "bob")
    assert not Path(path).exists()


def test_what_is_shared_stays(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    path = put(uploads, "sample.wav", "ann")
    uploads.share(path)
    uploads.drop(path, "ann")
    uploads.check(path, "bob")
    assert Path(path).exists()


def test_names_outside_tell_nothing_of_the_server(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    assert uploads.outside(f"{tmp_path}/ab/talk.wav") == "ab/talk.wav"
    assert uploads.path("ab/talk.wav") == f"{tmp_path}/ab/talk.wav"
    assert uploads.path("/etc/passwd") == "/etc/passwd"


def test_one_caller_does_not_take_the_room_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE_BYTES", 100)
    monkeypatch.setattr(module, "MOST_BYTES", 200)
    uploads = Uploads(tmp_path)
    put(uploads, "a", "ann", 101)
    uploads.check_room("bob")
    with pytest.raises(RequestError, match="of this caller"):
        uploads.check_room("ann")
    put(uploads, "b", "bob", 100)
    with pytest.raises(RequestError, match="too many uploads are here"):
        uploads.check_room("eve")
