"""Which waveforms share a batch, how they are padded, and how the results come back in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emotrace.models.card import ModelCard
from emotrace.models.emotion2vec_config import MASKED_LOGIT
from emotrace.models.encoder import Encoding, check_length
from emotrace.results import Array


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may be; a single waveform is always a batch.

    Attributes:
        seconds: its waveforms together, padded; bounds the memory of everything but attention.
        pairs: pairs of frames, over its waveforms; bounds the memory of attention.
        shortest: length of its shortest waveform, as a share of its longest; bounds the padding.
    """

    seconds: float
    pairs: float
    shortest: float


EQUAL = Limits(seconds=48.0, pairs=np.inf, shortest=1.0)
"""Of a model that takes no padding."""

ALONE = Limits(seconds=0.0, pairs=0.0, shortest=1.0)
"""On ONNX Runtime's CPU: one short clip fills a core, and an int8 graph takes one range for a whole batch."""

CPU = Limits(seconds=6.0, pairs=1e6, shortest=0.9)
"""On torch's CPU: batches save little, and memory is what counts."""

CUDA = Limits(seconds=640.0, pairs=6e7, shortest=0.75)
"""A GPU wants thousands of frames at a time."""


def plan(lengths: Sequence[int], card: ModelCard, limits: Limits) -> list[list[int]]:
    """Indices of the waveforms of each batch, longest first.

    Args:
        lengths: samples of each waveform.
        card: of the model.
        limits: of one batch.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> plan([16000, 48000, 15000, 47000], FakeEncoder().card, CPU)
    [[1, 3], [0, 2]]
    """
    batches: list[list[int]] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        size = len(batches[-1]) + 1 if batches else 1
        frames = longest / card.sampling_rate / card.frame_hop
        if (
            not batches
            or lengths[i] < limits.shortest * longest
            or size * longest > limits.seconds * card.sampling_rate
            or size * frames**2 > limits.pairs
        ):
            batches.append([i])
            longest = lengths[i]
        else:
            batches[-1].append(i)
    return batches


class BatchedEncoder(ABC):
    """An Encoder that runs batches, however they came in.

    Attributes:
        card: what the model is.
    """

    card: ModelCard

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """Of one batch."""

    @abstractmethod
    def _run(self, feed: dict[str, Array]) -> Mapping[str, Array]:
        """Outputs of the network, by name, of ``waveform`` (B, N) and its other inputs."""

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :meth:`emotrace.models.encoder.Encoder.encode`."""
        for waveform in waveforms:
            check_length(len(waveform), self.card)
        given = references if references is not None else [None] * len(waveforms)
        if len(given) != len(waveforms):
            raise ValueError(f"{len(waveforms)} waveforms came with {len(given)} references")
        out: dict[int, Encoding] = {}
        for chosen in plan([len(w) for w in waveforms], self.card, self.limits):
            feed = self._feed([waveforms[i] for i in chosen], [given[i] for i in chosen])
            values = self._run(feed)
            out |= {i: self._encoding(values, row, len(waveforms[i])) for row, i in enumerate(chosen)}
        return [out[i] for i in range(len(waveforms))]

    def _feed(self, waveforms: list[Array], references: list[Array | None]) -> dict[str, Array]:
        padded = np.zeros((len(waveforms), max(map(len, waveforms))), np.float32)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = waveform
        feed = {"waveform": padded}
        if self.card.network:
            feed["samples"] = np.array([len(w) for w in waveforms], np.int64)
        if size := self.card.reference_size:
            empty = np.zeros(size, np.float32)
            feed["reference"] = np.stack([empty if r is None else r for r in references])
            feed["has_reference"] = np.array([[float(r is not None)] for r in references], np.float32)
        return feed

    def _encoding(self, values: Mapping[str, Array], row: int, samples: int) -> Encoding:
        """One row of the outputs, without what belongs to padding; copies, so that no batch is kept alive."""
        frames = values["frames"][row]
        count = self.card.network.frames(samples) if self.card.network else len(frames)
        return Encoding(
            self._logits(values, "logits", (0,), row),
            values["embedding"][row].copy(),
            frames[:count].copy(),
            self._logits(values, "frame_logits", (len(frames), 0), row)[:count],
            values["spectrum"][row].copy() if "spectrum" in values else np.zeros(0, np.float32),
            float(values["active_seconds"][row]) if "active_seconds" in values else 0.0,
        )

    def _logits(self, values: Mapping[str, Array], name: str, empty: tuple[int, ...], row: int) -> Array:
        if not self.card.labels:
            return np.zeros(empty, np.float32)
        logits: Array = values[name][row] / np.float32(self.card.temperature)
        logits[..., [self.card.labels.index(label) for label in self.card.masked]] = MASKED_LOGIT
        return logits
