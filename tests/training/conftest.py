"""Corpora, networks and a graph that are small enough to be made for a test run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from emotrace.labels import label_index
from emotrace.models.compact_network import Crnn
from emotrace.training.corpora import CORPORA, Store, build_store
from emotrace.training.export import export
from emotrace.training.sounds import MUSIC, NOISE, SPEECH, VOICE, Shelf, powers
from tests.audio.tones import encode
from tests.training.nets import network
from tests.voices import voice

EMOTIONS = ("neutral", "happy", "angry")
SPLIT_OF = {"a": "train", "b": "train", "c": "validation", "d": "test"}
SOUNDS = {
    "001_-_dog_bark__1-100032-a.wav": ("noise", 5.0),
    "001_-_dog_bark__2-100033-a.wav": ("noise", 5.0),
    "001_-_dog_bark__3-100034-a.wav": ("noise", 5.0),
    "waltz.wav": ("music", 11.0),
    "ragtime.wav": ("music", 5.0),
    "talk.wav": ("speech", 2.0),
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are slower on many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_table(path: Path, header: str, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the real corpora are: four speakers and twelve clips in each."""
    folder = tmp_path_factory.mktemp("corpora")
    for number, corpus in enumerate(CORPORA):
        (folder / corpus).mkdir()
        rows = []
        for speaker in SPLIT_OF:
            for emotion in EMOTIONS:
                seed = 100 * number + 10 * ord(speaker) + label_index(emotion)
                samples = voice(12_000 + 800 * (seed % 7), seed)
                rows.append((f"{speaker}_{emotion}.wav", speaker, emotion))
                (folder / corpus / rows[-1][0]).write_bytes(encode(samples, 16_000))
        write_table(folder / corpus / "manifest.csv", "path,speaker,label", rows)
    splits = [(corpus, *item) for corpus in CORPORA for item in SPLIT_OF.items()]
    write_table(folder / "splits.csv", "corpus,speaker,split", splits)
    (folder / "non_speech").mkdir()
    for seed, (name, (_, seconds)) in enumerate(SOUNDS.items()):
        noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
        (folder / "non_speech" / name).write_bytes(encode(noise, 16_000))
    table = [(name, kind, seconds) for name, (kind, seconds) in SOUNDS.items()]
    write_table(folder / "non_speech" / "manifest.csv", "path,kind,duration_s", table)
    return folder


@pytest.fixture(scope="session")
def store(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The features of those corpora."""
    return build_store(corpora, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def networks() -> list[Crnn]:
    """Two of them."""
    return [network(0), network(1)]


@pytest.fixture(scope="session")
def graph(networks: list[Crnn]) -> bytes:
    """Their ONNX graph."""
    return export(networks)


def _shelf(corpora: dict[str, int], seed: int) -> Shelf:
    groups = {corpus: [f"{corpus}/{i}" for i in range(count)] for corpus, count in corpora.items()}
    sources = {
        name: [np.log(powers(voice(12_000, seed=seed + i + 10 * j))).astype(np.float16) for j in range(2)]
        for i, name in enumerate(n for names in groups.values() for n in names)
    }
    return Shelf(sources, groups)


@pytest.fixture(scope="module")
def shelves() -> dict[int, Shelf]:
    """Spectra of made-up voices under the four kinds of sound."""
    return {
        SPEECH: _shelf({"emodb": 6, "emospeech": 6}, 0),
        VOICE: _shelf({"emogator": 2}, 50),
        MUSIC: _shelf({"played": 2}, 70),
        NOISE: _shelf({"non_speech": 2}, 90),
    }
