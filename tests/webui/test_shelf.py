from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.models.encoder import FakeEncoder
from emotrace.outputs.envelope import Envelope
from emotrace.recognition import Recognizer
from emotrace.server.problems import RequestError
from emotrace.webui import shelf as module
from emotrace.webui.shelf import KEPT_SECONDS, Batch, Shelf, Shelved, remove_old
from tests.clock import Clock
from tests.server.served import tone


def put(shelf: Shelf, owner: str = "ann", **more: Any) -> tuple[str, Path]:
    result = Recognizer(encoder=FakeEncoder()).recognize(tone(seconds=1.0))
    sound = shelf.new_sound()
    sound.write_bytes(b"sound")
    nothing = Envelope(np.zeros(1, np.float32), np.zeros(1, np.float32))
    what: dict[str, Any] = {"granularity": "utterance", "embedding": False, "kept": None, "seconds": 1.0}
    what |= {"upload": f"{sound}.upload", **more}
    found = Shelved(owner, result, when=datetime.now(), sound=sound, outline=nothing, record={}, **what)
    return shelf.add(found), sound


def refused(shelf: Shelf, name: str, owner: str) -> str:
    with pytest.raises(RequestError) as caught:
        shelf.result(name, owner)
    return caught.value.code


def test_a_result_is_its_owner_s(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    name, _ = put(shelf)
    assert shelf.result(name, "ann").owner == "ann"
    assert refused(shelf, name, "bob") == refused(shelf, "x", "ann") == "not-found"
    batch = shelf.add(Batch("ann", (name,)))
    assert shelf.batch(batch, "ann").items == (name,)
    assert refused(shelf, batch, "ann") == "not-found"


def test_old_ones_go_with_their_sound(tmp_path: Path) -> None:
    clock = Clock()
    shelf = Shelf(tmp_path, clock=clock)
    old, sound = put(shelf)
    clock.now = KEPT_SECONDS + 1
    new, _ = put(shelf)
    assert refused(shelf, old, "ann") == "not-found" and not sound.exists()
    assert shelf.result(new, "ann")


def test_the_oldest_goes_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 70_000)  # two seconds of sound
    shelf = Shelf(tmp_path)
    names = [put(shelf)[0] for _ in range(3)]
    assert refused(shelf, names[0], "ann") == "not-found"
    assert shelf.result(names[1], "ann") and shelf.result(names[2], "ann")


def test_who_has_much_pushes_out_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)  # three seconds of sound
    shelf = Shelf(tmp_path)
    of_bob, _ = put(shelf, "bob")
    of_ann = [put(shelf)[0] for _ in range(6)]
    assert shelf.result(of_bob, "bob").owner == "bob"
    assert [refused(shelf, name, "ann") for name in of_ann[:4]] == ["not-found"] * 4
    assert [shelf.result(name, "ann").owner for name in of_ann[4:]] == ["ann"] * 2


def test_old_uploads_are_removed_and_links_not_followed(tmp_path: Path) -> None:
    uploads, outside = tmp_path / "uploads", tmp_path / "outside"
    (uploads / "a").mkdir(parents=True)
    outside.write_text("stays")
    for path in (uploads / "a" / "old", uploads / "new"):
        path.write_text("x")
    (uploads / "link").symlink_to(outside)
    then = time.time() - KEPT_SECONDS - 10
    os.utime(uploads / "a" / "old", (then, then))
    os.utime(uploads / "link", (then, then), follow_symlinks=False)
    remove_old(uploads)
    assert sorted(path.name for path in uploads.rglob("*")) == ["a", "new"] and outside.exists()
    os.utime(uploads / "a", (then, then))
    remove_old(uploads)
    assert [path.name for path in uploads.rglob("*")] == ["new"]


def test_what_the_history_has_no_more_is_gone_with_its_sound(tmp_path: Path) -> None:
    kept, gone = {"a", "b"}, list[str]()
    shelf = Shelf(tmp_path, kept.__contains__, lambda thing: gone.append(thing.upload))
    (one, first), (two, second), (three, third) = (put(shelf, kept=each) for each in ("a", "b", None))
    batch = shelf.batch(shelf.add(Batch("ann", (one, two, three))), "ann")
    kept.remove("a")
    assert refused(shelf, one, "ann") == "not-found"
    assert not first.exists() and gone == [f"{first}.upload"]
    assert len(list(shelf.items(batch))) == 2
    kept.remove("b")
    shelf.tidy()
    assert not second.exists() and third.exists()
    assert shelf.result(three, "ann")
