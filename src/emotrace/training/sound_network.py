"""The network behind the signal checks: its definition, its training and its export.

``python -m emotrace.training.sound_network --data ../shared/data`` writes
``src/emotrace/segmentation/sounds.onnx``; about a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from emotrace.segmentation.bands import BANDS
from emotrace.segmentation.content import KINDS
from emotrace.training.export import OPSET, halve_weights
from emotrace.training.sounds import Example, Mixer, Shelf, read_shelves

OUT = Path(__file__).parents[1] / "segmentation" / "sounds.onnx"
LENGTHS = (25, 150)
"""Fewest and most frames of a window in training."""


class SoundNetwork(nn.Module):
    """Log power in mel bands, (B, T, 80), to logits (B, 4) and the SNR in dB, (B,)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        sizes = [1, width, 2 * width, 3 * width, 4 * width]
        strides = [(1, 2), (2, 2), (2, 2), (1, 2)]
        layers: list[nn.Module] = []
        for a, b, stride in zip(sizes[:-1], sizes[1:], strides, strict=True):
            layers += [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        flat = sizes[-1] * (BANDS // 16)
        self.frames = nn.Sequential(nn.Conv1d(flat, 64, 3, padding=1), nn.BatchNorm1d(64), nn.ReLU())
        self.mix = nn.Sequential(nn.Dropout(0.2), nn.Linear(3 * 64, 64), nn.ReLU())
        self.kind = nn.Linear(64, len(KINDS))
        self.snr = nn.Linear(64, 1)

    def forward(self, bands: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        loudest = torch.logsumexp(bands, 2).amax(1)[:, None, None]
        x = ((bands - loudest) / 2.302585).clamp(min=-9.0) / 2 + 2
        x = self.convolutions(x[:, None])
        x = self.frames(x.permute(0, 1, 3, 2).flatten(1, 2))
        mean = x.mean(2)
        spread = ((x - mean[:, :, None]) ** 2).mean(2).clamp(min=1e-6).sqrt()
        h = self.mix(torch.cat([mean, spread, x.amax(2)], 1))
        return self.kind(h), self.snr(h)[:, 0] * 10 + 15


def loss_of(network: SoundNetwork, examples: list[Example], device: str = "cpu") -> Tensor:
    """Cross-entropy of the kind and a robust error of the SNR, each where it is known."""
    bands = torch.from_numpy(np.log(np.stack([e.power for e in examples]) + 1e-12))
    bands = bands + 6 * torch.rand(len(examples), 1, 1) - 8  # any level
    logits, snr = (x.cpu() for x in network(bands.to(device)))
    kinds = torch.tensor([e.kind for e in examples])
    target = torch.tensor([e.snr_db for e in examples], dtype=torch.float32)
    known = ~torch.isnan(target)
    error = functional.huber_loss(snr[known] / 3, target[known] / 3)
    return functional.cross_entropy(logits, kinds, ignore_index=-1, label_smoothing=0.02) + 0.5 * error


class _Windows(IterableDataset[list[Example]]):
    """Batches without end, made by any number of processes."""

    def __init__(self, shelves: dict[int, Shelf], batch: int, seed: int) -> None:
        self.shelves, self.batch, self.seed = shelves, batch, seed

    def __iter__(self) -> Iterator[list[Example]]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        mixer = Mixer(self.shelves, rng)
        while True:
            frames = LENGTHS[1] if rng.random() < 0.5 else int(rng.integers(*LENGTHS))
            yield [mixer.example(frames) for _ in range(self.batch)]


def fit(
    shelves: dict[int, Shelf],
    steps: int,
    *,
    batch: int = 96,
    seed: int = 0,
    workers: int = 0,
    device: str = "cpu",
) -> SoundNetwork:
    """Train on windows mixed from the shelves; same seed and workers on a CPU give the same network."""
    torch.manual_seed(seed)
    batches = iter(DataLoader(_Windows(shelves, batch, seed), batch_size=None, num_workers=workers))
    network = SoundNetwork().to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    descend(network, optimizer, 3e-3, steps, lambda: loss_of(network, next(batches), device))
    return network.cpu().eval()


def descend(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    peak: float,
    steps: int,
    loss_of: Callable[[], Tensor],
) -> None:
    """Train for some steps.

    Args:
        network: its gradients are clipped.
        optimizer: of all weights that learn.
        peak: highest learning rate, of one cycle.
        steps: how many.
        loss_of: the loss on a new batch.
    """
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    running = 0.0
    for step in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        running += float(loss.detach())
        if step % 200 == 199:
            print(f"step {step + 1} of {steps}: loss {running / 200:.3f}", flush=True)  # noqa: T201
            running = 0.0


def write_graph(network: nn.Module, outputs: tuple[str, ...], path: Path) -> None:
    """Write a network as ONNX: input ``bands`` (windows, frames, 80), any number of windows of any length."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 150, BANDS),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["bands"],
            output_names=list(outputs),
            dynamic_axes={"bands": {0: "windows", 1: "frames"}, **{name: {0: "windows"} for name in outputs}},
        )
    graph = onnx.load_from_string(buffer.getvalue())
    halve_weights(graph)
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString())


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=0, help="processes that mix sounds")
    parser.add_argument(
        "--held-out", nargs="*", default=[], help="leave out sounds with these words in their path"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = fit(read_shelves(args.data, args.held_out), args.steps, workers=args.workers)
    write_graph(network, ("logits", "snr"), args.out)


if __name__ == "__main__":
    main()
