"""The classic result folder: ``outputs_YYYYMMDD_HHMMSS`` with the sound, the result and the embedding."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import wave
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np

from emotrace.errors import InputError, OutputError
from emotrace.outputs.formats import Format
from emotrace.outputs.records import Granularity, dumps, frame_records, recognition_record, write_list
from emotrace.outputs.writing import output_errors
from emotrace.results import Array, EmotionTrack, Recognition
from emotrace.timing import SAMPLING_RATE

AUDIO_FILE = "processed_audio.wav"
RESULT_FILE = "result.json"
FRAMES_FILE = "frames.json"
RAW_FRAMES_FILE = "frames_raw.json"
EMBEDDING_FILE = "embedding.npy"

_STAMP = "%Y%m%d_%H%M%S"
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
_WAV_SAMPLES = (2**32 - 64) // 2  # the sizes in a WAV header have 32 bits


def write_folder(
    parent: str | os.PathLike[str],
    result: Recognition,
    blocks: Iterable[Array],
    *,
    granularity: Granularity = "utterance",
    when: datetime | None = None,
    embedding: bool = False,
    forms: Iterable[Format] = (),
    language: str = "en",
) -> Path:
    """Write one result folder, whole or not at all.

    It is filled under a hidden name and renamed at the end, so no reader ever sees half of it; any number
    of processes may write into one parent at once.

    Args:
        parent: made if it is not there.
        result: the recognition.
        blocks: the recording, float32 (n,) each, 16 kHz mono; read once, in constant memory.
        granularity: ``"frame"`` adds ``frames.json``, smoothed if the result is (those before it are then in
            ``frames_raw.json``), and makes the embedding that of the frames.
        when: local time of the recognition; None is now. Names the folder.
        embedding: write ``embedding.npy``: float32 (D,), for frames (T, D).
        forms: write the result in these forms besides, as ``result.SUFFIX``.
        language: see :meth:`~emotrace.outputs.formats.Format.render`.

    Returns:
        The folder: ``outputs_YYYYMMDD_HHMMSS``, with ``_2``, ``_3`` ... behind if that name is taken.

    Raises:
        OutputError: it cannot be written; nothing of it is left then.
    """
    when = when or datetime.now()
    folder = Path(parent)
    made = _missing(folder)
    hidden = folder / f".outputs_{when.strftime(_STAMP)}_{secrets.token_hex(6)}.tmp"
    try:
        with output_errors(folder):
            _make(hidden)
            write_wav(hidden / AUDIO_FILE, blocks)
            _write_result(hidden, result, granularity, when)
            if embedding:
                _write_embedding(hidden / EMBEDDING_FILE, result, granularity)
            for form in forms:
                if form.suffix != ".json":  # result.json is there
                    rendered = form.render(result, when=when, language=language, media=AUDIO_FILE)
                    (hidden / f"result{form.suffix}").write_bytes(rendered)
            return _publish(hidden, folder / f"outputs_{when.strftime(_STAMP)}")
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        _remove_empty(made)
        raise


def check_folder(parent: str | os.PathLike[str]) -> None:
    """Find out, before hours of work, whether result folders can be written somewhere.

    Raises:
        OutputError: they cannot.
    """
    folder = Path(parent)
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    probe = there / f".outputs_{secrets.token_hex(6)}.tmp"
    try:
        with output_errors(folder):
            probe.mkdir()
    finally:
        _remove_empty([probe])


def load_embedding(path: str | os.PathLike[str]) -> Array:
    """Read an ``embedding.npy`` of either shape.

    Args:
        path: holds (D,) of an utterance or (n, D) of frames.

    Returns:
        float32 (n, D); n is 1 for an utterance.

    Raises:
        InputError: it is no such file, or an array of another shape.
    """
    name = repr(os.fspath(path))
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a lying header takes no memory
    except OSError as problem:
        reason = (problem.strerror or "it is no .npy file").lower()
        raise InputError(f"{name} cannot be read: {reason}; expected an embedding.npy") from problem
    except Exception as problem:
        raise InputError(f"{name} is no .npy file of numbers; expected an embedding.npy") from problem
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{name} holds several arrays; expected an embedding.npy with one")
    if array.dtype.kind != "f" or array.ndim not in (1, 2) or array.shape[-1] == 0:
        raise InputError(
            f"{name} holds {array.dtype} of shape {array.shape}; expected floats of shape (D,) or (n, D)"
        )
    return np.array(array.reshape(-1, array.shape[-1]), np.float32)


def write_wav(path: Path, blocks: Iterable[Array]) -> None:
    """Write 16 kHz mono 16-bit PCM, block by block; what is beyond full scale is clipped."""
    written = 0
    with path.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLING_RATE)
        for block in blocks:
            written += len(block)
            if written > _WAV_SAMPLES:
                raise OutputError("the recording is longer than the 37 h that a WAV file can hold; cut it")
            wav.writeframesraw(_pcm(block))


def _pcm(block: Array) -> bytes:
    scaled = np.rint(block.astype(np.float32) * np.float32(32768))
    return bytes(np.clip(scaled, -32768, 32767).astype("<i2").tobytes())


def _write_result(folder: Path, result: Recognition, granularity: Granularity, when: datetime) -> None:
    record = recognition_record(result, granularity=granularity, when=when)
    with (folder / RESULT_FILE).open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(dumps(record, indent=2) + "\n")
    if granularity == "frame":
        if result.track is None:
            raise ValueError("no frames: recognise with frames=True")
        _write_frames(folder / FRAMES_FILE, result.smoothed or result.track)
        if result.smoothed is not None:
            _write_frames(folder / RAW_FRAMES_FILE, result.track)


def _write_frames(path: Path, track: EmotionTrack) -> None:
    with path.open("w", encoding="utf-8") as file:
        write_list(file, frame_records(track), ",\n")
        file.write("\n")


def _write_embedding(path: Path, result: Recognition, granularity: Granularity) -> None:
    array = result.frame_embeddings if granularity == "frame" else result.embedding
    if array is None:
        raise ValueError("no frame embeddings: recognise with frame_embeddings=True")
    with path.open("wb") as file:
        np.save(file, array.astype(np.float32, copy=False), allow_pickle=False)


def _publish(hidden: Path, wanted: Path) -> Path:
    """Rename to the wanted name, or the first free one after it.

    A rename onto a folder that holds anything fails, so the name cannot be taken twice.
    """
    number = 1
    while True:
        target = wanted if number == 1 else wanted.with_name(f"{wanted.name}_{number}")
        number += 1
        if os.path.lexists(target):
            continue
        try:
            hidden.rename(target)
        except OSError as problem:
            if problem.errno not in _TAKEN or not os.path.lexists(target):
                raise
        else:
            return target


def _make(hidden: Path) -> None:
    """Make a folder and those above it, which another process may be removing after a failure."""
    for _ in range(10):
        with suppress(FileNotFoundError):
            hidden.parent.mkdir(parents=True, exist_ok=True)
            hidden.mkdir()
            return
    hidden.mkdir()


def _missing(folder: Path) -> list[Path]:
    """The folder and those above it that are not there yet, innermost first."""
    return [place for place in (folder, *folder.parents) if not os.path.lexists(place)]


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
