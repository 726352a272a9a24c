"""The corpora as one table of clips, and their log-mel features as one memory-mapped store.

Layout: a folder per corpus with ``manifest.csv`` (path, corpus, speaker, label, ...), ``non_speech/``
with ``manifest.csv`` (path, kind, content), and ``splits.csv`` (corpus, speaker, split).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emotrace.audio import load
from emotrace.errors import InputError
from emotrace.labels import label_index
from emotrace.models.compact_network import BANDS, HOP, FrontEnd, normalise
from emotrace.results import Array
from emotrace.training.synthetic import non_speech

JUDGED = ("emodb", "ravdess", "nemo")
"""The corpora that figures are stated on."""

OTHERS = ("selvas", "emospeech", "emogator")
CORPORA = (*JUDGED, *OTHERS)
NON_SPEECH_SECONDS = 5.0
FEATURES = 2  # raise it when the front end changes
HELD_OUT_MUSIC = ("tchaikovsky", "ragtime", "trumpet")  # ESC-10 fold 3 is held out as well


@dataclass(frozen=True)
class Clip:
    """One clip of the training table.

    Attributes:
        path: relative to the data folder; a name without a file for synthetic sounds.
        corpus: folder name, ``"non_speech"`` or ``"synthetic"``.
        speaker: unique over all corpora; for sounds, the recording that they were cut from.
        label: index into the nine labels.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        offset: first sample at 16 kHz.
        samples: number of samples, or 0 for all.
    """

    path: str
    corpus: str
    speaker: str
    label: int
    split: str
    offset: int = 0
    samples: int = 0


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        raise InputError(
            f"{str(path)!r} cannot be read: {reason}; expected the corpora as docs/training.md lays them out"
        ) from problem


def emotional_clips(data: Path, corpora: Iterable[str] = CORPORA) -> list[Clip]:
    """All clips of the emotional corpora with their split.

    Args:
        data: folder that holds one folder per corpus and ``splits.csv``.
        corpora: names of the folders.

    Raises:
        InputError: a table is not there.
    """
    splits = {(r["corpus"], r["speaker"]): r["split"] for r in _rows(data / "splits.csv")}
    return [
        Clip(
            f"{corpus}/{row['path']}",
            corpus,
            f"{corpus}/{row['speaker']}",
            label_index(row["label"]),
            splits[corpus, row["speaker"]],
        )
        for corpus in corpora
        for row in _rows(data / corpus / "manifest.csv")
    ]


def non_speech_clips(data: Path) -> list[Clip]:
    """Environmental sounds and music, cut into pieces of five seconds; label ``unknown``.

    ESC-10 keeps its own folds apart (no recording is in two of them): fold 1 trains, fold 2 trains and
    is left out in turn in cross-validation, fold 3 is the test. The MUSAN mix holds speech and is not used.
    """
    step = int(NON_SPEECH_SECONDS * 16_000)
    clips = []
    for row in _rows(data / "non_speech" / "manifest.csv"):
        name, kind = row["path"], row["kind"]
        if kind not in ("noise", "music"):
            continue
        esc = "__" in name
        held_out = name.split("__")[1].startswith("3-") if esc else any(w in name for w in HELD_OUT_MUSIC)
        recording = name.rsplit("-", 1)[0] if esc else name
        for i in range(max(1, int(float(row["duration_s"]) // NON_SPEECH_SECONDS))):
            split = "test" if held_out else "train"
            clips.append(
                Clip(f"non_speech/{name}", "non_speech", f"non_speech/{recording}", 8, split, i * step, step)
            )
    return clips


def all_clips(data: Path) -> list[Clip]:
    """Emotional clips, non-speech and synthetic non-speech, in a fixed order."""
    made = [Clip(f"synthetic/{name}", "synthetic", f"synthetic/{name}", 8, "train") for name in non_speech()]
    return emotional_clips(data) + non_speech_clips(data) + made


def read_clip(data: Path, clip: Clip) -> Array:
    """Samples of a clip, float32 (n,), 16 kHz."""
    if clip.corpus == "synthetic":
        return non_speech()[clip.path.removeprefix("synthetic/")]
    samples = load(data / clip.path).samples
    end = clip.offset + clip.samples if clip.samples else len(samples)
    return samples[clip.offset : end]


@dataclass(frozen=True)
class Store:
    """Log-mel features of many clips.

    Attributes:
        clips: the table.
        frames: float16 (sum of lengths, bands), memory-mapped.
        starts: int (clips + 1,), first frame of each clip.
        active: int (clips, 2), first active frame and one after the last, inside the clip.
        spectra: float32 (clips, bands), mean over active frames, level removed.
        levels: float32 (clips, 2), mean level over active frames of the mel and of the pitch half.
    """

    clips: Sequence[Clip]
    frames: NDArray[np.float16]
    starts: NDArray[np.int64]
    active: NDArray[np.int64]
    spectra: NDArray[np.float32]
    levels: NDArray[np.float32]


def build_store(data: Path, folder: Path) -> Store:
    """Compute the store, or open it if it was computed from the same table.

    Args:
        data: see :func:`emotional_clips`.
        folder: where ``features.npy`` and ``features.npz`` lie.
    """
    clips = all_clips(data)
    key = hashlib.sha256(json.dumps([FEATURES, *map(asdict, clips)]).encode()).hexdigest()
    frames_file, index_file = folder / "features.npy", folder / "features.npz"
    if not (index_file.exists() and str(np.load(index_file)["key"]) == key):
        _compute(data, clips, key, frames_file, index_file)
    index = np.load(index_file)
    frames = np.load(frames_file, mmap_mode="c")  # torch wants arrays that may be written to
    return Store(clips, frames, index["starts"], index["active"], index["spectra"], index["levels"])


def _compute(data: Path, clips: Sequence[Clip], key: str, frames_file: Path, index_file: Path) -> None:
    store = store_of(clips, (read_clip(data, clip) for clip in clips))
    frames_file.parent.mkdir(parents=True, exist_ok=True)
    np.save(frames_file, store.frames)
    np.savez(
        index_file,
        key=key,
        starts=store.starts,
        active=store.active,
        spectra=store.spectra,
        levels=store.levels,
    )


@torch.inference_mode()
def store_of(clips: Sequence[Clip], waveforms: Iterable[Array]) -> Store:
    """The features of clips, in memory.

    Args:
        clips: the table.
        waveforms: of each clip float32 (n,), 16 kHz.
    """
    front = FrontEnd()
    parts, active, spectra, levels = [], [], [], []
    for waveform in waveforms:
        padded = np.pad(waveform, (0, max(0, 10 * HOP - len(waveform))))
        logmel = front(torch.from_numpy(padded)[None])
        features = normalise(logmel, torch.zeros(1, 2 * BANDS), torch.zeros(1, 1))
        level = (logmel[0] * features.active[0, :, None]).sum(0) / features.active.sum()
        where = torch.nonzero(features.mask[0])[:, 0]
        parts.append(logmel[0].numpy().astype(np.float16))
        active.append((int(where[0]), int(where[-1]) + 1))
        levels.append(level.reshape(2, BANDS).mean(1).numpy())
        spectra.append(features.spectrum[0].numpy())
    return Store(
        clips,
        np.concatenate(parts),
        np.cumsum([0] + [len(p) for p in parts]),
        np.array(active),
        np.array(spectra, np.float32),
        np.array(levels, np.float32),
    )
