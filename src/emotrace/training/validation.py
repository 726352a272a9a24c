"""Speaker-independent cross-validation over training and validation speakers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emotrace.evaluation.metrics import unweighted_average_recall
from emotrace.models.compact_network import BANDS, CLASSES, Crnn, normalise
from emotrace.training.corpora import JUDGED, Store, read_clip, store_of
from emotrace.training.protocol import with_noise


def fold_of(store: Store, folds: int) -> NDArray[np.int64]:
    """Fold of each clip, -1 for test clips; no speaker (or source recording) is in two folds.

    Speakers of a corpus are dealt out in sorted order, so each fold has some of every corpus. Of the
    non-speech, ESC-10 fold 2 is dealt out; the rest (-2) is always trained on.
    """
    out = np.full(len(store.clips), -1)
    speakers: dict[str, list[str]] = {}
    for clip in store.clips:
        if clip.split != "test" and clip.speaker not in speakers.setdefault(clip.corpus, []):
            speakers[clip.corpus].append(clip.speaker)
    order = {s: i for names in speakers.values() for i, s in enumerate(sorted(names))}
    for i, clip in enumerate(store.clips):
        if clip.split == "test":
            continue
        fixed = clip.corpus == "synthetic" or (clip.corpus == "non_speech" and "__2-" not in clip.path)
        out[i] = -2 if fixed else order[clip.speaker] % folds
    return out


def references(store: Store, clips: Sequence[int], k: int = 10, seed: int = 0) -> NDArray[np.float32]:
    """Mean spectrum of k other random clips of the same speaker for each clip, (n, bands)."""
    rng = np.random.default_rng(seed)
    by: dict[str, list[int]] = {}
    for i, clip in enumerate(store.clips):
        by.setdefault(clip.speaker, []).append(i)
    out = []
    for i in clips:
        others = [j for j in by[store.clips[i].speaker] if j != i] or [i]
        out.append(store.spectra[rng.choice(others, min(k, len(others)), replace=False)].mean(0))
    return np.array(out, np.float32)


def with_sounds(
    data: Path, store: Store, clips: Sequence[int], snr_db: float = 10.0, seed: int = 0
) -> Store | None:
    """Clips of the judged corpora among some, each mixed with a random one of the sounds among them, if any.

    Args:
        data: folder of the corpora.
        store: of all clips.
        clips: indices, among them non-speech.
        snr_db: ratio of the mean powers.
        seed: of the choice.
    """
    sounds = [read_clip(data, store.clips[i]) for i in clips if store.clips[i].corpus == "non_speech"]
    if not sounds:
        return None
    speech = [store.clips[i] for i in clips if store.clips[i].corpus in JUDGED]
    choice = np.random.default_rng(seed).integers(len(sounds), size=len(speech))
    waveforms = (
        with_noise(read_clip(data, clip), sounds[k], snr_db) for clip, k in zip(speech, choice, strict=True)
    )
    return store_of(speech, waveforms)


@torch.inference_mode()
def predict(
    network: Crnn, store: Store, clips: Sequence[int], reference: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Logits (n, 9) of whole clips, one by one; without reference if that is None."""
    out = np.empty((len(clips), CLASSES), np.float32)
    for row, i in enumerate(clips):
        frames = store.frames[store.starts[i] : store.starts[i + 1]].astype(np.float32)
        logmel = torch.from_numpy(frames)[None]
        spectrum = (
            torch.zeros(1, 2 * BANDS) if reference is None else torch.from_numpy(reference[row : row + 1])
        )
        features = normalise(logmel, spectrum, torch.full((1, 1), float(reference is not None)))
        out[row] = network(features.values, features.mask).logits[0].numpy()
    return out


def recall_by_corpus(store: Store, clips: Sequence[int], logits: NDArray[np.float32]) -> dict[str, float]:
    """Unweighted average recall of each corpus, argmax of logits (clips, 9) over all nine labels."""
    guess = logits.argmax(1)
    corpus = np.array([store.clips[i].corpus for i in clips])
    label = np.array([store.clips[i].label for i in clips])
    out = {}
    for name in dict.fromkeys(corpus.tolist()):
        here = corpus == name
        out[name] = unweighted_average_recall(label[here], guess[here])
    return out
