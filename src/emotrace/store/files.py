"""What lies in the folder of a recognition: the record, the embedding, what its picture needs, the upload."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.audio.sources import BinaryFile
from emotrace.outputs import folder as classic
from emotrace.outputs.envelope import Envelope
from emotrace.outputs.recalling import recalled
from emotrace.outputs.records import Granularity, frame_records, recognition_record, write_json
from emotrace.results import Array, EmotionTrack, Recognition

RESULT_FILE = classic.RESULT_FILE
EMBEDDING_FILE = classic.EMBEDDING_FILE
TIMELINE_FILE = "timeline.npz"
AUDIO_FILE = "audio"

_TRACKS = ("track", "smoothed")


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """What is written of one recognition.

    Attributes:
        result: the recognition.
        granularity: what was asked for.
        outline: of the waveform, for the picture.
        audio: the upload itself, a path or an open file, which is read from its start; None keeps it not.
    """

    result: Recognition
    granularity: Granularity
    outline: Envelope | None = None
    audio: Path | BinaryFile | None = None

    def write(self, folder: Path) -> None:
        """Write them into an empty folder."""
        track = self.result.smoothed or self.result.track
        record = recognition_record(self.result, granularity=self.granularity)
        frames = None if track is None else frame_records(track)
        with (folder / RESULT_FILE).open("w", encoding="utf-8", errors="backslashreplace") as file:
            write_json(file, record, frames)
        _save(folder / EMBEDDING_FILE, self.result.embedding)
        arrays = {**_outline(self.outline)}
        for name in _TRACKS:
            arrays |= _track(name, getattr(self.result, name))
        if arrays:
            with (folder / TIMELINE_FILE).open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
        if self.audio is not None:
            with (folder / AUDIO_FILE).open("wb") as file:
                _copy(self.audio, file)


def read_record(folder: Path) -> dict[str, Any]:
    """The record in a folder."""
    record: dict[str, Any] = json.loads((folder / RESULT_FILE).read_bytes())
    return record


def read_recognition(folder: Path) -> tuple[Recognition, Envelope]:
    """The recognition in a folder, and the outline of its waveform, flat if it was not kept."""
    timeline = folder / TIMELINE_FILE
    arrays: dict[str, Any] = {}
    if timeline.is_file():
        with np.load(timeline, allow_pickle=False) as stored:
            arrays = dict(stored)
    tracks = {name: _tracked(name, arrays) for name in _TRACKS}
    embedding = np.load(folder / EMBEDDING_FILE, allow_pickle=False)
    record = read_record(folder)
    tracks["track"] = _named(tracks["track"], record["track_method"])
    flat = np.zeros(1, np.float32)
    outline = Envelope(arrays.get("lows", flat), arrays.get("highs", flat))
    return recalled(record, embedding=embedding, **tracks), outline


def _save(path: Path, array: Array) -> None:
    with path.open("wb") as file:
        np.save(file, array.astype(np.float32, copy=False), allow_pickle=False)


def _copy(audio: Path | BinaryFile, file: BinaryFile) -> None:
    if isinstance(audio, Path):
        with audio.open("rb") as opened:
            shutil.copyfileobj(opened, file)
        return
    place = audio.tell()
    audio.seek(0)
    shutil.copyfileobj(audio, file)
    audio.seek(place)


def _outline(outline: Envelope | None) -> dict[str, Any]:
    return {} if outline is None else {"lows": outline.lows, "highs": outline.highs}


def _track(name: str, track: EmotionTrack | None) -> dict[str, Any]:
    if track is None:
        return {}
    return {
        f"{name}_times": track.times,
        f"{name}_probabilities": track.probabilities,
        f"{name}_hop": np.float64(track.hop),
    }


def _tracked(name: str, arrays: dict[str, Any]) -> EmotionTrack | None:
    if f"{name}_times" not in arrays:
        return None
    times, rows = arrays[f"{name}_times"], arrays[f"{name}_probabilities"]
    return EmotionTrack(times, rows, float(arrays[f"{name}_hop"]), "")


def _named(track: EmotionTrack | None, method: str | None) -> EmotionTrack | None:
    return None if track is None else EmotionTrack(track.times, track.probabilities, track.hop, method or "")
