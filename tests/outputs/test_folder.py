from __future__ import annotations

import errno
import json
import os
import re
import stat
import threading
import wave
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import AudioError, InputError, OutputError
from emotrace.outputs import check_folder, load_embedding, write_folder
from emotrace.outputs import folder as module
from emotrace.outputs.writing import check_file
from emotrace.results import Array
from tests.outputs.made import blocks, made, names, track

WHEN = datetime(2024, 1, 4, 22, 30, 0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="may write everywhere")
def test_a_file_in_a_folder_that_may_not_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission denied"):
        check_file(tmp_path / "t.csv")
    tmp_path.chmod(0o000)
    with pytest.raises(OutputError, match="permission denied"):
        check_file(tmp_path / "t.csv")
    assert check_file(Path(os.devnull)) == Path(os.devnull)


def test_the_folder_is_the_classic_one(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "outputs", made(), blocks(), when=WHEN)
    assert folder == tmp_path / "outputs" / "outputs_20240104_223000"
    assert names(folder) == ["processed_audio.wav", "result.json"]
    record = json.loads((folder / "result.json").read_text("utf-8"))
    assert list(record)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
    assert record["timestamp"] == "2024-01-04 22:30:00"
    assert names(tmp_path / "outputs") == ["outputs_20240104_223000"]


def test_the_sound_is_16_khz_mono_16_bit(tmp_path: Path) -> None:
    loud: list[Array] = [np.array([0, 0.5, -0.5, 1, -1, 3, -3], np.float32)]
    folder = write_folder(tmp_path, made(), loud, when=WHEN)
    with wave.open(str(folder / "processed_audio.wav")) as wav:
        assert wav.getparams()[:4] == (1, 2, 16000, 7)
        samples = np.frombuffer(wav.readframes(7), "<i2").tolist()
    assert samples == [0, 16384, -16384, 32767, -32768, 32767, -32768]


def test_frames_and_their_embedding(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    result = made(track=track(["happy", None, "sad"]), frame_embeddings=frames)
    folder = write_folder(tmp_path, result, blocks(), granularity="frame", when=WHEN, embedding=True)
    listed = json.loads((folder / "frames.json").read_text("utf-8"))
    assert [(f["emotion"], f["timestamp"]) for f in listed] == [("happy", 0.0), ("sad", 0.08)]
    assert "frames" not in json.loads((folder / "result.json").read_text("utf-8"))
    stored = np.load(folder / "embedding.npy", allow_pickle=False)
    assert stored.dtype == np.float32
    assert np.array_equal(stored, frames)
    assert np.array_equal(load_embedding(folder / "embedding.npy"), frames)


def test_smoothed_frames_and_those_before_them(tmp_path: Path) -> None:
    result = made(track=track(["happy", "sad", "happy"]), smoothed=track(["happy"] * 3))
    folder = write_folder(tmp_path, result, blocks(), granularity="frame", when=WHEN)
    found = {
        name: [frame["emotion"] for frame in json.loads((folder / name).read_text("utf-8"))]
        for name in ("frames.json", "frames_raw.json")
    }
    assert found == {"frames.json": ["happy"] * 3, "frames_raw.json": ["happy", "sad", "happy"]}
    assert names(write_folder(tmp_path, result, blocks(), when=WHEN)) == [
        "processed_audio.wav",
        "result.json",
    ]


def test_the_embedding_of_an_utterance_is_one_row(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, made(), blocks(), when=WHEN, embedding=True)
    assert np.load(folder / "embedding.npy", allow_pickle=False).shape == (7,)
    assert load_embedding(folder / "embedding.npy").shape == (1, 7)


@pytest.mark.parametrize("options", [{"granularity": "frame"}, {"granularity": "frame", "embedding": True}])
def test_what_was_not_recognised_cannot_be_written(tmp_path: Path, options: dict[str, Any]) -> None:
    result = made(track=track(["happy"])) if "embedding" in options else made()
    with pytest.raises(ValueError, match="recognise with"):
        write_folder(tmp_path, result, blocks(), when=WHEN, **options)
    assert names(tmp_path) == []


def test_names_within_one_second_differ_and_match_the_pattern(tmp_path: Path) -> None:
    folders = [write_folder(tmp_path, made(), blocks(0.1), when=WHEN) for _ in range(3)]
    assert [f.name for f in folders] == [
        "outputs_20240104_223000",
        "outputs_20240104_223000_2",
        "outputs_20240104_223000_3",
    ]
    assert sorted(tmp_path.glob("outputs_*")) == folders


def test_many_writers_at_once_never_share_a_folder(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    folders: list[Path] = []

    def write(number: int) -> None:
        gate.wait()
        source = made(f"{number}.wav")
        folders.extend(write_folder(tmp_path, source, blocks(0.1), when=WHEN) for _ in range(5))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 40
    assert len(names(tmp_path)) == 40
    for folder in folders:
        assert names(folder) == ["processed_audio.wav", "result.json"]


def test_a_name_that_another_process_takes_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_folder(tmp_path, made("first.wav"), blocks(0.1), when=WHEN)
    seen = os.path.lexists
    answers = iter([False])  # the name was free when it was looked at

    def lexists(path: Any) -> bool:
        return next(answers, None) is not False and seen(path)

    hidden = tmp_path / ".hidden"
    hidden.mkdir()
    (hidden / "x").touch()
    monkeypatch.setattr(os.path, "lexists", lexists)
    assert module._publish(hidden, first).name == f"{first.name}_2"
    assert json.loads((first / "result.json").read_text())["source"] == "first.wav"


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    def watching() -> Iterator[Array]:
        for block in blocks():
            assert list(tmp_path.glob("outputs_*")) == []
            yield block

    folder = write_folder(tmp_path, made(), watching(), when=WHEN)
    assert list(tmp_path.glob("outputs_*")) == [folder]


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (AudioError("'a.wav' is damaged"), AudioError),
        (OSError(errno.ENOSPC, "No space left on device"), OutputError),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_after_any_failure_nothing_is_left(
    tmp_path: Path, problem: BaseException, shown: type[BaseException], there: bool
) -> None:
    def failing() -> Iterator[Array]:
        yield blocks()[0]
        raise problem

    parent = tmp_path if there else tmp_path / "new" / "deep"
    with pytest.raises(shown):
        write_folder(parent, made(), failing(), when=WHEN)
    assert names(tmp_path) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def full() -> Iterator[Array]:
        yield blocks()[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"cannot be written: the disk is full; free some space"):
        write_folder(tmp_path, made(), full(), when=WHEN)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    for attempt in (check_folder, lambda place: write_folder(place, made(), blocks(), when=WHEN)):
        with pytest.raises(OutputError, match="a file is in the way; expected a folder"):
            attempt(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path)
    assert names(tmp_path) == []


def test_permission_denied_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"^'[^']+' cannot be written: permission denied; choose"):
        check_folder(tmp_path / "x")


def test_others_may_read_the_folder_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        folder = write_folder(tmp_path, made(), blocks(0.1), when=WHEN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_recording_that_no_wav_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAV_SAMPLES", 9000)
    with pytest.raises(OutputError, match="37 h"):
        write_folder(tmp_path, made(), blocks(), when=WHEN)
    assert names(tmp_path) == []


def test_a_surrogate_in_the_name_does_not_stop_the_writing(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, made("声音\udcff.wav"), blocks(0.1), when=WHEN)
    assert json.loads((folder / "result.json").read_text("utf-8"))["source"] == "声音\udcff.wav"


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.float32(1.0), "shape ()"),
        (np.zeros((2, 3, 4), np.float32), "shape (2, 3, 4)"),
        (np.zeros(0, np.float32), "shape (0,)"),
        (np.zeros(4, np.int32), "int32 of shape (4,)"),
        (np.array(["a"]), "<U1"),
    ],
)
def test_other_arrays_are_refused_by_shape(tmp_path: Path, array: Any, complaint: str) -> None:
    np.save(tmp_path / "embedding.npy", array)
    with pytest.raises(InputError, match=re.escape(complaint)):
        load_embedding(tmp_path / "embedding.npy")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    (tmp_path / "raw.npy").write_bytes(__import__("pickle").dumps(Trap()))
    for name in ("trap.npy", "raw.npy"):
        with pytest.raises(InputError, match=r"no \.npy file"):
            load_embedding(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_npy_file(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "empty.npy").write_bytes(b"")
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    np.save(tmp_path / "whole.npy", np.zeros((100, 8), np.float32))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:500])
    for name in ("text.npy", "empty.npy", "many.npz", "cut.npy", "missing.npy", "."):
        with pytest.raises(InputError, match=r"expected an embedding\.npy"):
            load_embedding(tmp_path / name)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.ones((2, 3), np.float16))
    loaded = load_embedding(str(tmp_path / "e.npy"))
    assert loaded.dtype == np.float32
    assert loaded.flags.writeable
