"""emotrace and FunASR say the same: random weights in the published format, real sizes, speech and noise.

Frames agree to 2e-5 (largest difference, float32), probabilities to 1e-5: the torch network, the ONNX graph,
padded batches, and the recognizer's own path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

import emotrace
from emotrace.audio import load
from emotrace.labels import LABELS
from emotrace.models.checkpoint import read_checkpoint
from emotrace.models.conversion import convert
from emotrace.models.emotion2vec_config import EPSILON, Emotion2vecConfig
from emotrace.models.emotion2vec_graph import write_graph
from emotrace.models.emotion2vec_network import Emotion2vec
from emotrace.models.encoder import Encoder
from emotrace.models.loading import load_encoder
from emotrace.models.package import ModelPackage
from tests.data import DATA, needs_data
from tests.models.checkpoints import BASE, LARGE, OLD_TOKENS, TINY, noise, random_weights, write_checkpoint
from tests.peer.conftest import FIGURES
from tests.peer.oracle import Answer, FunASR

Wave = NDArray[np.float32]
FRAMES, PROBABILITIES = 2e-5, 1e-5
NOISE = (0.03, 0.1, 0.5, 3.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class Peers:
    """One checkpoint, loaded by everybody."""

    config: Emotion2vecConfig
    funasr: FunASR
    package: ModelPackage
    runtimes: dict[str, Encoder]


@pytest.fixture(scope="module", params=[BASE, LARGE], ids=["base", "large"])
def peers(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    yield made(request.param, tmp_path_factory.mktemp("peers"))


def made(config: Emotion2vecConfig, folder: Path, **how: Any) -> Peers:
    checkpoint = write_checkpoint(folder / "published", config, **how)
    package = ModelPackage(convert(checkpoint, "peer", ("fp32",), home=folder).folder)
    runtimes = {
        name: load_encoder(package, precision="fp32", device="cpu", runtime=name)
        for name in ("torch", "onnxruntime")
    }
    return Peers(config, FunASR(checkpoint), package, runtimes)


def speech(seconds: float) -> Wave:
    """Real speech of this length: a meeting, 30 s a recording."""
    assert DATA is not None
    recordings = [
        load(DATA / "speakers" / name).samples for name in ("trn00.flac", "trn03.flac", "dev00.flac")
    ]
    return np.concatenate(recordings)[: round(seconds * 16_000)]


def clips() -> dict[str, Wave]:
    """Speech of a studio, speech with silence in it, and a dialogue of synthetic voices."""
    assert DATA is not None
    studio = load(DATA / "emodb" / "03a01Fa.flac").samples
    silence = np.zeros(16_000, np.float32)
    return {
        "studio": studio,
        "loud": np.clip(studio * 20, -1, 1),
        "faint": studio * np.float32(1e-4),
        "offset": studio + np.float32(0.2),
        "silence around": np.concatenate([silence, studio, silence]),
        "shipped": load(emotrace.__path__[0] + "/sample/moods.flac").samples,
    }


def agree(peers: Peers, clip: Wave, answer: Answer | None = None) -> None:
    answer = answer or peers.funasr.generate(clip)
    for name, encoder in peers.runtimes.items():
        [encoding] = encoder.encode([clip])
        assert encoding.frames.shape == answer.frames.shape
        frames = float(np.abs(encoding.frames - answer.frames).max())
        scores = float(np.abs(softmax(encoding.logits) - answer.scores).max())
        FIGURES.append((peers.config.embed_dim, name, len(clip) / 16_000, frames, scores))
        assert frames <= FRAMES and scores <= PROBABILITIES, name


def softmax(logits: Wave) -> NDArray[np.float64]:
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(weights / weights.sum())


def test_funasr_runs_our_weights(peers: Peers) -> None:
    theirs = peers.funasr.weights()
    assert all(torch.equal(theirs[name], value) for name, value in random_weights(peers.config).items())


@pytest.mark.parametrize("seconds", NOISE)
def test_noise(peers: Peers, seconds: float) -> None:
    agree(peers, noise(seconds, seed=int(seconds * 10)))


@needs_data
@pytest.mark.parametrize("seconds", [0.03, 1.0, 7.3, 30.0, 60.0])
def test_speech(peers: Peers, seconds: float) -> None:
    agree(peers, speech(seconds))


@needs_data
@pytest.mark.parametrize("name", ["studio", "loud", "faint", "offset", "silence around", "shipped"])
def test_recordings_of_many_kinds(peers: Peers, name: str) -> None:
    agree(peers, clips()[name])


@needs_data
def test_a_sound_of_zeros_mostly(peers: Peers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its barks the network sees nothing but the clip's mean, and FunASR's is rounded.

    So the graph is compared twice: with FunASR, from the waveform as FunASR normalises it on; and with exact
    arithmetic, to which it is nearer than FunASR.
    """
    assert DATA is not None
    clip = load(next(iter(sorted((DATA / "non_speech").glob("*dog_bark*"))))).samples
    answer = peers.funasr.generate(clip)
    weights = random_weights(peers.config)
    arrays = {name: value.numpy() for name, value in weights.items()}
    without = peers.config.model_copy(update={"normalize": False})
    session = onnxruntime.InferenceSession(str(tmp_path / write_graph(without, arrays, tmp_path)[0]))
    rounded = torch.nn.functional.layer_norm(torch.from_numpy(clip), clip.shape, eps=EPSILON)
    [found] = session.run(["frames"], {"waveform": rounded[None].numpy(), "samples": np.array([len(clip)])})
    assert found[0] == pytest.approx(answer.frames, abs=FRAMES)

    exact = torch.from_numpy(clip[np.newaxis].astype(np.float64))
    exact = (exact - exact.mean()) / torch.sqrt(exact.var(unbiased=False) + EPSILON)
    network = Emotion2vec.from_weights(without, weights).double()
    monkeypatch.setattr(network.modality_encoders["AUDIO"], "_normalise", lambda *_: exact)
    with torch.inference_mode():
        expected = network(exact, torch.tensor([len(clip)])).frames[0].numpy()
    [encoding] = peers.runtimes["onnxruntime"].encode([clip])
    off = np.abs(encoding.frames - expected).max()
    assert off <= FRAMES / 2
    assert off < np.abs(answer.frames - expected).max()


@needs_data
def test_a_mixed_batch(peers: Peers) -> None:
    lengths = (0.03, 2.2, 2.0, 2.1, 0.5, 0.52)
    batch = [speech(30 + seconds)[-round(seconds * 16_000) :] for seconds in lengths]
    answers = [peers.funasr.generate(clip) for clip in batch]
    for encoder in peers.runtimes.values():
        for encoding, answer in zip(encoder.encode(batch), answers, strict=True):
            assert encoding.frames == pytest.approx(answer.frames, abs=FRAMES)
            assert softmax(encoding.logits) == pytest.approx(answer.scores, abs=PROBABILITIES)


@needs_data
@pytest.mark.parametrize("seconds", [3.0, 30.0, 60.0])
def test_the_recognizer(peers: Peers, seconds: float) -> None:
    clip = speech(seconds)
    answer = peers.funasr.generate(clip)
    recognizer = emotrace.Recognizer(encoder=peers.runtimes["onnxruntime"])
    found = recognizer.recognize((clip, 16_000), whole_seconds=max(30.0, seconds), frame_embeddings=True)
    assert [found.scores[label] for label in LABELS] == pytest.approx(answer.scores, abs=PROBABILITIES)
    assert found.frame_embeddings == pytest.approx(answer.frames, abs=FRAMES)


def test_an_old_revision_with_labels_that_it_does_not_use(tmp_path: Path) -> None:
    peers = made(TINY, tmp_path, tokens=OLD_TOKENS)
    clip = noise(2.0)
    answer = peers.funasr.generate(clip)
    for encoder in peers.runtimes.values():
        [encoding] = encoder.encode([clip])
        scores = dict(zip(LABELS, softmax(encoding.logits), strict=True))
        kept = [scores[label] for label in LABELS if label not in peers.package.card.masked]
        assert kept == pytest.approx(answer.scores, abs=PROBABILITIES)
        assert sum(kept) == pytest.approx(1)


def test_a_checkpoint_without_a_head(tmp_path: Path) -> None:
    peers = made(TINY, tmp_path, head=False)
    assert not read_checkpoint(tmp_path / "published").labels
    clip = noise(2.0)
    for encoder in peers.runtimes.values():
        [encoding] = encoder.encode([clip])
        assert encoding.frames == pytest.approx(peers.funasr.generate(clip).frames, abs=FRAMES)


def test_names_without_the_prefix(tmp_path: Path) -> None:
    agree(made(TINY, tmp_path, prefix=""), noise(2.0))
