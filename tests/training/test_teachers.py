"""Teachers answer for speakers that they never heard, and only members learn from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from emotrace.models.compact_network import CLASSES
from emotrace.training import teachers
from emotrace.training.corpora import Store
from emotrace.training.sampling import Sampler
from emotrace.training.teachers import TEACHERS, answers_of, parts_of, teach, teacher_recipe
from tests.training.nets import SMALL, network, training_clips

UNKNOWN = CLASSES - 1


def test_each_speaker_of_a_corpus_is_in_one_part(store: Store) -> None:
    chosen = training_clips(store)
    parts = parts_of(store, chosen)
    of_speaker: dict[tuple[str, str], set[int]] = {}
    for i, part in zip(chosen, parts.tolist(), strict=True):
        clip = store.clips[i]
        assert (part == -1) == (clip.label == UNKNOWN)
        if part >= 0:
            of_speaker.setdefault((clip.corpus, clip.speaker), set()).add(part)
    assert all(len(found) == 1 for found in of_speaker.values())
    assert len({part for found in of_speaker.values() for part in found}) > 1


def test_no_teacher_hears_the_speakers_that_it_answers_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[set[int]] = []

    def noted(_store: Store, clips: list[int], *_: object, **__: object) -> torch.nn.Module:
        heard.append(set(clips))
        return network(0)

    monkeypatch.setattr(teachers, "train", noted)
    chosen = training_clips(store)
    told = [teach(store, chosen, SMALL, part) for part in range(TEACHERS)]
    for (clips, answers), trained_on in zip(told, heard, strict=True):
        who = {(store.clips[i].corpus, store.clips[i].speaker) for i in clips}
        assert not who & {(store.clips[i].corpus, store.clips[i].speaker) for i in trained_on}
        assert trained_on <= set(chosen)
        assert answers.sum(1) == pytest.approx(np.ones(len(clips)), abs=1e-5)
    table = answers_of(store, told)
    speech = [i for i in chosen if store.clips[i].label != UNKNOWN]
    assert not np.isnan(table[speech]).any()
    assert np.isnan(np.delete(table, speech, axis=0)).all()


def test_a_teacher_learns_from_labels_for_half_as_long() -> None:
    made = teacher_recipe(SMALL, 1)
    assert (made.passes, made.soft) == (SMALL.passes // 2, 0.0)
    assert made.seed != teacher_recipe(SMALL, 2).seed


@pytest.mark.parametrize("soft", [0.0, 0.25, 1.0])
def test_targets_of_speech_lie_between_label_and_answer(store: Store, soft: float) -> None:
    chosen = training_clips(store)
    speech = next(i for i in chosen if store.clips[i].label != UNKNOWN)
    sound = next(i for i in chosen if store.clips[i].label == UNKNOWN)
    answer = np.linspace(1, 2, CLASSES, dtype=np.float32)
    answer /= answer.sum()
    table = answers_of(store, [(np.array([speech]), answer[None])])
    recipe = dataclasses.replace(SMALL, soft=soft)
    targets = Sampler(store, chosen, recipe, answers=table).targets.numpy()
    label = np.eye(CLASSES)[store.clips[speech].label]
    assert targets[speech] == pytest.approx((1 - soft) * label + soft * answer, abs=1e-6)
    assert targets[sound, UNKNOWN] == pytest.approx(1 - SMALL.smoothing + SMALL.smoothing / CLASSES)
    by_labels = Sampler(store, chosen, recipe).targets.numpy()
    assert by_labels[sound] == pytest.approx(targets[sound])
    assert by_labels[speech].argmax() == store.clips[speech].label
