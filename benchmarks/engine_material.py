"""What `benchmarks/engine.py` measures on: random weights in both formats, clips, recordings."""

from __future__ import annotations

import csv
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import material
from emotrace.audio import load
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_graph import write_graph
from emotrace.models.package import Int8Figures, ModelPackage, seal_package
from emotrace.models.quantization import measure, write_int8_graph
from tests.models.checkpoints import BASE, LARGE, TINY, random_weights, write_checkpoint
from tests.models.packages import card

SIZES = {"large": LARGE, "base": BASE, "tiny": TINY}


@dataclass(frozen=True)
class Material:
    """Where everything lies.

    Attributes:
        config: of the network.
        checkpoint: folder in the published format.
        package: the same weights as a model package with both precisions.
        clips: folder for clips.
    """

    config: Emotion2vecConfig
    checkpoint: Path
    package: Path
    clips: Path

    def clip(self, seconds: float) -> Path:
        """Speech of this length, as .npy float32 at 16 kHz."""
        path = self.clips / f"{seconds:g}.npy"
        if not path.exists():
            np.save(path, np.resize(material.speech(), int(seconds * 16_000)))
        return path

    def wav(self, seconds: float) -> Path:
        """The same as a WAV file."""
        path = self.clips / f"{seconds:g}.wav"
        return path if path.exists() else write_wav(path, np.load(self.clip(seconds)))


def write_wav(path: Path, samples: NDArray[np.float32]) -> Path:
    """16 bit, 16 kHz, mono."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def network_card(name: str, config: Emotion2vecConfig, **more: Any) -> dict[str, Any]:
    """The card of an emotion2vec network but ``files``; ``more`` says what its graphs are."""
    return card(
        name=name,
        family="emotion2vec",
        network=config,
        frame_hop=config.hop / 16_000,
        frame_size=config.embed_dim,
        embedding_size=config.embed_dim,
        reference_size=0,
        min_seconds=config.receptive_field / 16_000,
        max_seconds=60.0,
        track={"window": 1.5, "hop": 0.5},
        **more,
    )


def prepare(folder: Path, size: str) -> Material:
    """Make what is not there yet.

    Random weights in the published format stand for the published ones: time and memory do not depend on
    the values. How far int8 is off does; with random weights the classes lie so close together that the
    usual bound says little, so it is lifted here.
    """
    config = SIZES[size]
    made = Material(config, folder / f"{size}-checkpoint", folder / f"{size}-random", folder / "clips")
    made.clips.mkdir(parents=True, exist_ok=True)
    if not (made.checkpoint / "model.pt").exists():
        made.checkpoint.mkdir(exist_ok=True)
        write_checkpoint(made.checkpoint, config, seed=0)
    if not (made.package / "model.json").exists():
        made.package.mkdir(exist_ok=True)
        weights = {name: value.numpy() for name, value in random_weights(config, 0).items()}
        fp32 = write_graph(config, weights, made.package)
        int8 = write_int8_graph(config, weights, made.package)
        found = measure(made.package / fp32[0], made.package / int8[0])
        figures = Int8Figures(**(found.model_dump() | {"lowest_agreement": 0.0, "largest_change": 1.0}))
        seal_package(
            made.package,
            network_card(
                made.package.name,
                config,
                graphs={"fp32": fp32[0], "int8": int8[0]},
                external={fp32[0]: fp32[1:], int8[0]: int8[1:]},
                int8=figures,
            ),
        )
    return made


def figures(made: Material) -> Int8Figures:
    """How far int8 is off."""
    found = ModelPackage(made.package).card.int8
    assert found is not None
    return found


def recordings(made: Material, data: Path | None, count: int) -> tuple[list[Path], float, str]:
    """WAV files of real speech (validation speakers), their seconds in all, and what they are.

    Without the folder of corpora they are cut from the shipped sample, 1.5 to 4.5 s each.
    """
    folder = made.clips / f"batch-{count}"
    found = sorted(folder.glob("*.wav"))
    if len(found) < count:
        folder.mkdir(exist_ok=True)
        sounds = _corpora(data, count) if data else _cuts(count)
        found = [write_wav(folder / f"{i:04}.wav", samples) for i, samples in enumerate(sounds)]
    seconds = sum((path.stat().st_size - 44) / 32_000 for path in found)
    return found, seconds, "EMO-DB, RAVDESS, nEMO clips" if data else "cuts of the shipped sample"


def _corpora(data: Path, count: int) -> list[NDArray[np.float32]]:
    paths: list[Path] = []
    for corpus in ("emodb", "ravdess", "nemo"):
        with (data / corpus / "manifest.csv").open(newline="") as file:
            paths += [data / corpus / row["path"] for row in csv.DictReader(file)]
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, count).astype(int)]
    return [load(path).samples for path in chosen]


def _cuts(count: int) -> list[NDArray[np.float32]]:
    speech, rng = material.speech(), np.random.default_rng(0)
    lengths = (rng.uniform(1.5, 4.5, count) * 16_000).astype(int)
    starts = [int(rng.integers(len(speech) - length)) for length in lengths]
    return [speech[a : a + n] for a, n in zip(starts, lengths, strict=True)]
