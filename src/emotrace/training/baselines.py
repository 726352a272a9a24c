"""The two classic baselines: functionals of hand-made features, then logistic regression or an SVM.

For each clip the mean, deviation, 10th and 90th percentile and mean absolute change of 13 cepstra, 26 mel
bands, level and pitch over its active frames, from the same spectra that the network sees. With a speaker
reference, the mean of the speaker's other clips is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from emotrace.models.compact_network import BANDS, pitch_hz
from emotrace.training.corpora import JUDGED, Store, build_store
from emotrace.training.validation import recall_by_corpus

REFERENCE_CLIPS = 10


def functionals(spectra: NDArray[np.float32]) -> NDArray[np.float32]:
    """Statistics over the frames of a clip.

    Args:
        spectra: float32 (T, 2 * BANDS), active part of a clip.

    Returns:
        float32 (205,): five statistics of 41 tracks.
    """
    mel, pitch = spectra[:, :BANDS], spectra[:, BANDS:]
    mel = np.maximum(mel, mel.max() - 15)
    cepstra = dct(mel, norm="ortho", axis=1)[:, 1:14]
    bands = mel[:, : BANDS // 26 * 26].reshape(len(mel), 26, -1).mean(2)
    level = mel.max(1)
    # Harmonic sum over four harmonics: bands an octave and a fifth apart are 20 and 12 bands away.
    count = BANDS - 40
    sums = sum(np.exp((pitch[:, shift : shift + count] - pitch.max()) / 4) for shift in (0, 20, 32, 40))
    f0 = np.log(pitch_hz()[np.asarray(sums).argmax(1)])
    tracks = np.column_stack([cepstra, bands - level[:, None], level - level.max(), f0])
    change = np.abs(np.diff(tracks, axis=0)).mean(0) if len(tracks) > 1 else np.zeros(tracks.shape[1])
    low, high = np.percentile(tracks, [10, 90], axis=0)
    return np.concatenate([tracks.mean(0), tracks.std(0), low, high, change]).astype(np.float32)


def table(store: Store, clips: Sequence[int]) -> NDArray[np.float32]:
    """Functionals of clips, (n, 205)."""
    rows = []
    for i in clips:
        first, last = store.starts[i] + store.active[i]
        rows.append(functionals(store.frames[first:last].astype(np.float32)))
    return np.array(rows)


def less_speaker(
    store: Store, clips: Sequence[int], rows: NDArray[np.float32], k: int = REFERENCE_CLIPS, seed: int = 0
) -> NDArray[np.float32]:
    """Subtract the mean of up to k other clips of the speaker from each row of (clips, features)."""
    rng = np.random.default_rng(seed)
    speaker = np.array([store.clips[i].speaker for i in clips])
    out = rows.copy()
    for row in range(len(rows)):
        others = np.flatnonzero(speaker == speaker[row])
        others = others[others != row]
        if len(others):
            out[row] -= rows[rng.choice(others, min(k, len(others)), replace=False)].mean(0)
    return out


def run_baselines(data: Path, runs: Path, split: str, report: Callable[[str], None]) -> dict[str, Any]:
    """Train on the training speakers, report mean recall of the judged corpora on a split.

    Args:
        data: folder of the corpora.
        runs: folder of the features.
        split: ``"validation"`` or ``"test"``.
        report: gets a line now and then.
    """
    store = build_store(data, runs)
    used = (*JUDGED, "non_speech")
    train = [i for i, c in enumerate(store.clips) if c.split == "train" and c.corpus in used]
    judged = [i for i, c in enumerate(store.clips) if c.split == split and c.corpus in JUDGED]
    rows = {"train": table(store, train), "judged": table(store, judged)}
    labels = np.array([store.clips[i].label for i in train])
    report(f"functionals of {len(train)} and {len(judged)} clips")
    models = {
        "logistic_regression": LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"),
        "svm": SVC(C=3.0, gamma="scale", class_weight="balanced"),
    }
    out: dict[str, Any] = {}
    for condition in ("clip_alone", "with_reference"):
        x, y = rows["train"], rows["judged"]
        if condition == "with_reference":
            x, y = less_speaker(store, train, x), less_speaker(store, judged, y)
        for name, model in models.items():
            guess = make_pipeline(StandardScaler(), model).fit(x, labels).predict(y)
            recalls = recall_by_corpus(store, judged, np.eye(9, dtype=np.float32)[guess])
            out[f"{name}, {condition}"] = {**recalls, "mean": float(np.mean(list(recalls.values())))}
            report(f"{name}, {condition}: {out[f'{name}, {condition}']}")
    return out
