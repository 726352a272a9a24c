"""Clips, splits and folds: no speaker is ever on both sides."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotrace.labels import LABELS
from emotrace.models.compact_network import BANDS, FrontEnd
from emotrace.training.corpora import (
    CORPORA,
    Clip,
    Store,
    all_clips,
    build_store,
    non_speech_clips,
    read_clip,
)
from emotrace.training.validation import fold_of, recall_by_corpus, references
from tests.data import DATA, needs_data

UNKNOWN = LABELS.index("unknown")


def table_only(clips: list[Clip]) -> Store:
    """A store of clips without features."""
    none = np.zeros(0)
    return Store(clips, none, none, none, none, none)  # type: ignore[arg-type]


def check_apart(clips: list[Clip], folds: int) -> None:
    """No speaker, and no recording that sounds were cut from, is on two sides."""
    fold = fold_of(table_only(clips), folds)
    splits, sides = defaultdict(set), defaultdict(set)
    for clip, number in zip(clips, fold.tolist(), strict=True):
        splits[clip.speaker].add(clip.split)
        sides[clip.speaker].add(number)
        assert (number == -1) == (clip.split == "test")
        assert -2 <= number < folds
    assert all(len(found) == 1 for found in splits.values())
    assert all(len(found) == 1 for found in sides.values())
    assert set(fold.tolist()) >= set(range(folds))


# -- the small corpora ---------------------------------------------------------------------------------


def test_the_table_has_every_clip_with_its_split(corpora: Path) -> None:
    clips = all_clips(corpora)
    assert Counter(c.corpus for c in clips) == {
        **dict.fromkeys(CORPORA, 12),
        "non_speech": 6,
        "synthetic": 90,
    }
    assert Counter(c.split for c in clips if c.corpus == "emodb") == {"train": 6, "validation": 3, "test": 3}
    assert {c.label for c in clips if c.corpus in ("non_speech", "synthetic")} == {UNKNOWN}
    assert clips == all_clips(corpora)
    assert len({c.path + str(c.offset) for c in clips}) == len(clips)


def test_sounds_are_cut_into_pieces_and_some_are_held_out(corpora: Path) -> None:
    clips = non_speech_clips(corpora)
    assert [c.offset for c in clips if "waltz" in c.path] == [0, 80_000]
    assert not [c for c in clips if "talk" in c.path]
    held_out = {Path(c.path).name for c in clips if c.split == "test"}
    assert held_out == {"001_-_dog_bark__3-100034-a.wav", "ragtime.wav"}


def test_clips_are_read_from_where_they_lie(corpora: Path) -> None:
    clips = {c.path: c for c in all_clips(corpora)}
    assert len(read_clip(corpora, clips["emodb/a_happy.wav"])) >= 12_000
    second = next(c for c in clips.values() if "waltz" in c.path and c.offset)
    whole = read_clip(corpora, dataclasses.replace(second, offset=0, samples=0))
    assert np.array_equal(read_clip(corpora, second), whole[80_000:160_000])
    assert read_clip(corpora, clips["synthetic/hum-03"]).shape == (64_000,)


@pytest.mark.parametrize("folds", [2, 3])
def test_folds_of_the_small_corpora(corpora: Path, folds: int) -> None:
    check_apart(all_clips(corpora), folds)


def test_the_store_has_the_features_of_every_clip(store: Store, corpora: Path) -> None:
    count = len(store.clips)
    lengths = np.diff(store.starts)
    assert len(store.starts) == count + 1
    assert store.frames.shape == (store.starts[-1], 2 * BANDS)
    assert store.spectra.shape == (count, 2 * BANDS)
    assert store.levels.shape == (count, 2)
    assert (store.active[:, 0] < store.active[:, 1]).all()
    assert (store.active[:, 1] <= lengths).all()
    assert np.isfinite(store.frames).all()
    assert np.abs(store.spectra.reshape(count, 2, BANDS).mean(2)).max() < 1e-3  # the level is removed
    for i in (0, 30, count - 1):
        waveform = torch.from_numpy(read_clip(corpora, store.clips[i]))[None]
        expected = FrontEnd()(waveform)[0].numpy()
        got = store.frames[store.starts[i] : store.starts[i + 1]].astype(np.float32)
        assert got == pytest.approx(expected, abs=0.02)


def test_the_store_is_made_once_and_again_when_the_table_changes(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [c for c in all_clips(corpora) if c.corpus == "emodb"][:3]
    monkeypatch.setattr("emotrace.training.corpora.all_clips", lambda data: few)
    first = build_store(corpora, tmp_path)
    written = (tmp_path / "features.npy").stat().st_mtime_ns
    again = build_store(corpora, tmp_path)
    assert (tmp_path / "features.npy").stat().st_mtime_ns == written
    assert np.array_equal(first.spectra, again.spectra)
    few.pop()
    assert len(build_store(corpora, tmp_path).starts) == 3


def test_references_are_of_other_clips_of_the_same_speaker(store: Store) -> None:
    chosen = [i for i, c in enumerate(store.clips) if c.corpus == "ravdess"]
    got = references(store, chosen, k=10)
    for row, i in zip(got, chosen, strict=True):
        others = [j for j in chosen if j != i and store.clips[j].speaker == store.clips[i].speaker]
        assert row == pytest.approx(store.spectra[others].mean(0), abs=1e-5)
    assert np.array_equal(got, references(store, chosen, k=10))


@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_recall_is_the_mean_over_the_classes_that_a_corpus_has(rows: list[tuple[str, int, int]]) -> None:
    clips = [Clip(str(i), corpus, "s", label, "train") for i, (corpus, label, _) in enumerate(rows)]
    logits = np.eye(9, dtype=np.float32)[[guess for _, _, guess in rows]]
    got = recall_by_corpus(table_only(clips), range(len(clips)), logits)
    for corpus in {row[0] for row in rows}:
        by_class: dict[int, list[bool]] = defaultdict(list)
        for where, label, guess in rows:
            if where == corpus:
                by_class[label].append(label == guess)
        expected = np.mean([np.mean(right) for right in by_class.values()])
        assert got[corpus] == pytest.approx(expected)


# -- the real ones -------------------------------------------------------------------------------------


@needs_data
def test_the_real_table_has_the_counts_that_its_readme_says() -> None:
    assert DATA is not None
    clips = all_clips(DATA)
    counts = Counter(c.corpus for c in clips)
    expected = {
        "emodb": 535,
        "ravdess": 1440,
        "nemo": 4481,
        "selvas": 300,
        "emospeech": 1992,
        "emogator": 4200,
    }
    assert {corpus: counts[corpus] for corpus in CORPORA} == expected
    assert counts["synthetic"] == 90
    assert len(clips) == 13_311
    assert all((DATA / c.path).is_file() for c in clips if c.corpus != "synthetic")


@needs_data
@pytest.mark.parametrize("folds", [3, 5])
def test_no_real_speaker_is_in_two_folds_and_no_test_speaker_in_any(folds: int) -> None:
    assert DATA is not None
    clips = all_clips(DATA)
    check_apart(clips, folds)
    test = {"emodb": 2, "ravdess": 5, "nemo": 2}
    for corpus, least in test.items():
        assert len({c.speaker for c in clips if c.corpus == corpus and c.split == "test"}) >= least


@needs_data
def test_every_fold_has_some_of_every_judged_corpus_and_of_every_class_in_it() -> None:
    assert DATA is not None
    clips = all_clips(DATA)
    fold = fold_of(table_only(clips), 3)
    for corpus in ("emodb", "ravdess", "nemo"):
        classes = {c.label for c in clips if c.corpus == corpus}
        for number in range(3):
            here = {c.label for c, f in zip(clips, fold, strict=True) if c.corpus == corpus and f == number}
            assert here == classes
