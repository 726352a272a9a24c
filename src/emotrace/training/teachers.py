"""What networks that never heard a speaker say about the speaker's clips: softer targets than the labels.

A label says what the speaker was asked to act; how near a clip comes to other emotions is not in it. So
teachers, each trained without a part of the speakers, hear that part, and the members learn from the mean of
label and answer (Hinton et al. 2015, arXiv 1503.02531). Who had heard a clip would only repeat its label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from emotrace.models.compact_network import CLASSES
from emotrace.training import validation
from emotrace.training.corpora import Store
from emotrace.training.fit import train
from emotrace.training.recipe import Recipe

TEACHERS = 3

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float32]


def parts_of(store: Store, chosen: Sequence[int]) -> IntArray:
    """The part, 0 to ``TEACHERS - 1``, of each chosen clip's speaker; -1 for non-speech, which all hear.

    Speakers of a corpus are dealt out in sorted order, so each part has some of every corpus that has enough.
    """
    clips = [store.clips[i] for i in chosen]
    speakers: dict[str, set[str]] = {}
    for clip in clips:
        speakers.setdefault(clip.corpus, set()).add(clip.speaker)
    order = {s: i for names in speakers.values() for i, s in enumerate(sorted(names))}
    return np.array([-1 if c.label == CLASSES - 1 else order[c.speaker] % TEACHERS for c in clips])


def teacher_recipe(recipe: Recipe, part: int) -> Recipe:
    """Half as long as that of a member, by labels alone."""
    return replace(recipe, seed=500 + part, passes=max(1, recipe.passes // 2), soft=0.0)


def teach(
    store: Store,
    chosen: Sequence[int],
    recipe: Recipe,
    part: int,
    report: Callable[[str], None] = print,
    device: str = "cpu",
) -> tuple[IntArray, FloatArray]:
    """Train a teacher without one part of the speakers and let it hear that part.

    Args:
        store: features of all clips.
        chosen: indices of the clips that a member is trained on.
        recipe: of the members.
        part: which speakers it does not hear, 0 to ``TEACHERS - 1``.
        report: gets a line every few passes.
        device: ``"cpu"`` or ``"cuda"``.

    Returns:
        Indices (n,) of that part's clips and probabilities (n, 9): the mean of those without and with a
        reference of the speaker.
    """
    parts, every = parts_of(store, chosen), np.asarray(chosen, np.int64)
    network = train(store, every[parts != part].tolist(), teacher_recipe(recipe, part), report, device=device)
    clips = every[parts == part]
    both = [
        torch.from_numpy(validation.predict(network, store, clips.tolist(), reference)).softmax(1).numpy()
        for reference in (None, validation.references(store, clips.tolist()))
    ]
    return clips, np.asarray(np.mean(both, axis=0), np.float32)


def answers_of(store: Store, parts: Iterable[tuple[IntArray, FloatArray]]) -> FloatArray:
    """What :func:`teach` gave for each part as one table (clips of the store, 9); NaN is none."""
    table = np.full((len(store.clips), CLASSES), np.nan, np.float32)
    for clips, probabilities in parts:
        table[clips] = probabilities
    return table
