"""The network that maps a second or two of speech to who speaks: its training and its export.

Each step it sees six speakers of one corpus, so that it must tell voices apart and not recordings, through
one random microphone and noise, in all their emotions (generalised end-to-end loss, Wan et al. 2018).
``python -m emotrace.training.voice_network --data ../shared/data`` writes
``src/emotrace/segmentation/voices.onnx``; about ten minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotrace.segmentation.bands import BANDS
from emotrace.training.sound_network import descend, write_graph
from emotrace.training.sounds import NOISE, SPEECH, Mixer, Shelf, active, read_shelves

OUT = Path(__file__).parents[1] / "segmentation" / "voices.onnx"
LENGTHS = (50, 75, 100)
SPEAKERS = 6
WINDOWS = 6
EMBEDDING = 48


class VoiceNetwork(nn.Module):
    """Log power in mel bands of speech, (B, T, 80), to embeddings of length 1, (B, 48)."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b, kernel, dilation in (
            (BANDS, width, 5, 1),
            (width, width, 3, 2),
            (width, width, 3, 3),
            (width, 2 * width, 1, 1),
        ):
            padding = dilation * (kernel // 2)
            layers += [
                nn.Conv1d(a, b, kernel, padding=padding, dilation=dilation),
                nn.BatchNorm1d(b),
                nn.ReLU(),
            ]
        self.frames = nn.Sequential(*layers)
        self.embedding = nn.Linear(4 * width, EMBEDDING)

    def forward(self, bands: Tensor) -> Tensor:
        """See the class."""
        level = torch.logsumexp(bands, 2).mean(1)[:, None, None]
        x = ((bands - level) / 2.302585).clamp(min=-7.0) / 1.5 + 1.5
        x = self.frames(x.transpose(1, 2))
        mean = x.mean(2)
        spread = ((x - mean[:, :, None]) ** 2).mean(2).clamp(min=1e-5).sqrt()
        out: Tensor = self.embedding(torch.cat([mean, spread], 1))
        return out / (out * out).sum(1, keepdim=True).clamp(min=1e-12).sqrt()


class _Loss(nn.Module):
    """Each embedding shall be nearest to the mean of its speaker's other ones."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Of (speakers, windows, size)."""
        p, k, _ = embeddings.shape
        total = embeddings.sum(1)
        own = (total[:, None] - embeddings) / (k - 1)
        like = torch.einsum("pke,qe->pkq", embeddings, functional.normalize(total, dim=1))
        own_like = (embeddings * functional.normalize(own, dim=2)).sum(2)[:, :, None].expand(p, k, p)
        same = torch.eye(p, dtype=torch.bool)[:, None].expand(p, k, p)
        logits = torch.where(same, own_like, like) * self.scale.clamp(min=1.0) + self.bias
        who = torch.arange(p).repeat_interleave(k)
        return functional.cross_entropy(logits.reshape(p * k, p), who, label_smoothing=0.02)


class Episodes:
    """Windows of a few speakers of one corpus, through one line.

    Args:
        shelves: see :func:`emotrace.training.sounds.read_shelves`.
        rng: draws everything.
    """

    def __init__(self, shelves: dict[int, Shelf], rng: np.random.Generator) -> None:
        self._rng, self._mixer = rng, Mixer(shelves, rng)
        self._groups = shelves[SPEECH].groups
        self._speech: dict[str, list[NDArray[np.float16]]] = {}
        for name, sounds in shelves[SPEECH].sources.items():
            spoken = [log[active(np.exp(log.astype(np.float32)))] for log in sounds]
            self._speech[name] = [log for log in spoken if len(log) >= 20]

    def draw(self, frames: int) -> NDArray[np.float32]:
        """Log power, float32 (speakers, windows, frames, 80)."""
        rng = self._rng
        corpora = sorted(self._groups)
        known = [n for n in self._groups[corpora[rng.integers(len(corpora))]] if self._speech[n]]
        chosen = [known[i] for i in rng.permutation(len(known))[:SPEAKERS]]
        rows = np.stack([[self._window(name, frames) for _ in range(WINDOWS)] for name in chosen])
        if rng.random() < 0.2:
            return rows
        power = np.exp(rows) * self._mixer.channel()
        power /= power.sum(3).mean(2)[:, :, None, None]
        noise = np.float32(10 ** (-rng.uniform(5, 45) / 10))
        if rng.random() < 0.5:
            power += self._mixer.background(NOISE, frames) * noise
        else:
            shape = self._mixer.channel()
            power += noise * shape / shape.sum() * rng.gamma(2.0, 0.5, size=power.shape)
        return np.asarray(np.log(power + 1e-12), np.float32)

    def _window(self, name: str, frames: int) -> NDArray[np.float32]:
        clips = self._speech[name]
        parts = [clips[self._rng.integers(len(clips))]]
        while sum(map(len, parts)) < frames:
            parts.append(clips[self._rng.integers(len(clips))])
        joined = np.concatenate(parts)
        first = int(self._rng.integers(0, len(joined) - frames + 1))
        return joined[first : first + frames].astype(np.float32)


def fit(shelves: dict[int, Shelf], steps: int, seed: int = 0) -> VoiceNetwork:
    """Train; the same seed gives the same network."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    episodes, network, loss_of = Episodes(shelves, rng), VoiceNetwork(), _Loss()
    weights = [*network.parameters(), *loss_of.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.02)

    def loss_on_a_draw() -> Tensor:
        rows = torch.from_numpy(episodes.draw(int(rng.choice(LENGTHS))))
        loss: Tensor = loss_of(network(rows.flatten(0, 1)).reshape(*rows.shape[:2], -1))
        return loss

    descend(network, optimizer, 2e-3, steps, loss_on_a_draw)
    return network.eval()


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, default=4000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    write_graph(fit(read_shelves(args.data), args.steps), ("embedding",), args.out)


if __name__ == "__main__":
    main()
