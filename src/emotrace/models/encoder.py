"""The seam between models and everything above them: one method wide, with a public fake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emotrace.errors import InputError
from emotrace.labels import LABELS
from emotrace.models.card import ModelCard, TrackMethod
from emotrace.results import Array, ModelInfo
from emotrace.timing import SAMPLING_RATE, samples_to_seconds, seconds_to_samples


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """What a model says about one waveform.

    Attributes:
        logits: float32 (9,), of the whole waveform; (0,) of a model without a head.
        embedding: float32 (D,), of the whole waveform.
        frames: float32 (T, F), native frames.
        frame_logits: float32 (T, 9); (T, 0) of a model without a head.
        spectrum: float32 (R,), the waveform's own part of a speaker reference; R is 0 for a model that
            uses none.
        active_seconds: how much of the waveform ``spectrum`` is the mean of.
    """

    logits: Array
    embedding: Array
    frames: Array
    frame_logits: Array
    spectrum: Array
    active_seconds: float


class Encoder(Protocol):
    """A loaded model."""

    @property
    def card(self) -> ModelCard:
        """What the model is."""

    @property
    def info(self) -> ModelInfo:
        """Which graph runs, and where."""

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """Encode waveforms; the results are the same for any batch and any order, to 1e-5.

        Args:
            waveforms: each float32 (n,), 16 kHz, at least ``card.min_seconds`` and at most
                ``card.max_seconds`` long.
            references: for each waveform a speaker reference spectrum, or None.

        Raises:
            InputError: a waveform is too short or too long for the model.
            ValueError: there are not as many references as waveforms.
        """


def fewest_samples(card: ModelCard) -> int:
    """Samples of the shortest waveform that a model takes.

    >>> fewest_samples(FakeEncoder().card)
    1600
    """
    return max(1, seconds_to_samples(card.min_seconds))


def check_shortest(samples: int, card: ModelCard, label: str = "the waveform") -> None:
    """Refuse what is too short for the model.

    Args:
        samples: how many there are.
        card: of the model.
        label: name of the input for the message.

    Raises:
        InputError: it is too short.
    """
    if samples < fewest_samples(card):
        raise InputError(
            f"{label} is too short: it lasts {samples_to_seconds(samples):.3f} s; the model {card.name!r} "
            f"needs at least {card.min_seconds:g} s of sound"
        )


def check_length(samples: int, card: ModelCard, label: str = "the waveform") -> None:
    """Refuse what is too short for the model, or too long for it in one piece; see :func:`check_shortest`.

    Raises:
        InputError: it is.
    """
    check_shortest(samples, card, label)
    if card.max_seconds is not None and samples > seconds_to_samples(card.max_seconds):
        raise InputError(
            f"{label} is too long: it lasts {samples_to_seconds(samples):.1f} s; the model {card.name!r} "
            f"takes at most {card.max_seconds:g} s in one piece: cut it"
        )


class FakeEncoder:
    """A model without weights: for tests of all that stands above the seam.

    The emotion is the loudness of the clip: silence is label 0, a full-scale square wave label 8. Frames
    are 40 ms; their only feature is their level. A reference's one number is taken off the level.

    Args:
        track: how emotion over time is read.

    Attributes:
        batches: size of each batch that was asked for.

    >>> import numpy as np
    >>> [e] = FakeEncoder().encode([np.ones(16000, np.float32)])
    >>> int(e.logits.argmax()), e.frames.shape
    (8, (25, 1))
    """

    def __init__(self, track: TrackMethod | None = None) -> None:
        self.card = ModelCard(
            name="fake",
            family="compact",
            version="1",
            labels=LABELS,
            frame_hop=0.04,
            frame_size=1,
            embedding_size=2,
            min_seconds=0.1,
            reference_size=1,
            graphs={},
            files={},
            track=track or TrackMethod(window=1.5, hop=0.24),
            description="A fake for tests.",
            training_data="none",
            licence="Apache-2.0",
            source="emotrace",
            intended_use="tests",
            not_for="anything else",
        )
        self.info = ModelInfo("fake", "0" * 12, "fp32", "cpu", "numpy", 1)
        self.batches: list[int] = []

    @staticmethod
    def _logits(level: Array) -> Array:
        return np.asarray(-20 * (level[..., None] * 8 - np.arange(9)) ** 2, np.float32)

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :meth:`Encoder.encode`; a reference is subtracted from the level."""
        self.batches.append(len(waveforms))
        out = []
        for waveform, reference in zip(waveforms, references or [None] * len(waveforms), strict=True):
            check_length(len(waveform), self.card)
            shift = np.float32(0.0 if reference is None else reference[0])
            whole = np.sqrt(np.mean(waveform**2)).astype(np.float32)
            parts = waveform[: len(waveform) // 640 * 640].reshape(-1, 640)
            levels = np.sqrt((parts**2).mean(1)).astype(np.float32)
            out.append(
                Encoding(
                    self._logits(whole - shift),
                    np.array([whole, shift], np.float32),
                    levels[:, None],
                    self._logits(levels - shift),
                    np.zeros(1, np.float32),
                    len(waveform) / SAMPLING_RATE,
                )
            )
        return out
