"""Emotion over time, from short overlapping windows or from the head on every frame.

A network trained on clips of one emotion says nearly the same in all frames of a clip, so time is read
from its utterance head on short windows instead; between the centres of two windows the logits are
interpolated linearly, beyond the first and the last they stay. The head on every native frame costs nothing
more than the whole clip does; between the middles of two frames its logits are interpolated, too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.models.card import ModelCard, TrackMethod
from emotrace.models.encoder import Encoder
from emotrace.recognition.checks import is_silent
from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE, seconds_to_samples

BATCH = 32
"""Windows of one batch; bounds memory."""


def window_starts(samples: int, method: TrackMethod) -> list[int]:
    """First sample of each window over a clip.

    The windows lie ``method.hop`` apart; the last one ends with the clip. A clip that is shorter than
    one window is one window.

    >>> window_starts(32000, TrackMethod(window=1.5, hop=0.25))
    [0, 4000, 8000]
    """
    window, hop = seconds_to_samples(method.window), seconds_to_samples(method.hop)
    if samples <= window:
        return [0]
    starts = list(range(0, samples - window + 1, hop))
    if starts[-1] != samples - window:
        starts.append(samples - window)
    return starts


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis.

    >>> softmax(np.zeros((1, 4), np.float32))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True), np.float32)


def step_logits(encoder: Encoder, samples: Array, times: Array, reference: Array | None) -> Array:
    """Logits at given times of a clip.

    Args:
        encoder: the model.
        samples: float32 (n,), the clip.
        times: float32 (T,), seconds from the start of the clip.
        reference: speaker reference spectrum, or None.

    Returns:
        float32 (T, 9); NaN where a window next to the time is silent from end to end, because silence has
        no emotion (speech is then at least a quarter of a window away).

    >>> from emotrace.models.encoder import FakeEncoder
    >>> tone = np.sin(np.arange(32000, dtype=np.float32))
    >>> step_logits(FakeEncoder(), tone, np.array([0.1, 0.5], np.float32), None).argmax(1)
    array([6, 6])
    """
    starts, length, heard = _windows(samples, encoder.card.track)
    table = np.full((len(starts), len(encoder.card.labels)), np.nan, np.float32)
    for first in range(0, len(heard), BATCH):
        chosen = heard[first : first + BATCH]
        windows = [samples[starts[i] : starts[i] + length] for i in chosen]
        for i, encoding in zip(chosen, encoder.encode(windows, [reference] * len(windows)), strict=True):
            table[i] = encoding.logits
    return _between(times, (np.array(starts) + length / 2) / SAMPLING_RATE, table)


def frame_head_logits(card: ModelCard, samples: Array, times: Array, frame_logits: Array) -> Array:
    """Logits of native frames at given times of a clip.

    Args:
        card: of the model.
        samples: float32 (n,), the clip.
        times: float32 (T,), seconds from the start of the clip.
        frame_logits: float32 (F, 9), of the clip; a frame stands for the ``card.frame_hop`` that it begins.

    Returns:
        float32 (T, 9); NaN at the same times as with :func:`step_logits`.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> fake, tone = FakeEncoder(), np.sin(np.arange(32000, dtype=np.float32))
    >>> [encoding] = fake.encode([tone])
    >>> frame_head_logits(fake.card, tone, np.array([0.1, 0.5], np.float32), encoding.frame_logits).argmax(1)
    array([6, 6])
    """
    middles = (np.arange(len(frame_logits)) + 0.5) * card.frame_hop
    out = _between(times, middles, frame_logits)
    starts, length, heard = _windows(samples, card.track)
    if len(heard) < len(starts):
        sound = np.full((len(starts), 1), np.nan, np.float32)
        sound[heard] = 0
        out += _between(times, (np.array(starts) + length / 2) / SAMPLING_RATE, sound)
    return out


def _windows(samples: Array, method: TrackMethod) -> tuple[list[int], int, list[int]]:
    """First sample of each window, its length, and which windows are not silent."""
    starts = window_starts(len(samples), method)
    length = min(len(samples), seconds_to_samples(method.window))
    heard = [i for i, start in enumerate(starts) if not is_silent(samples[start : start + length])]
    return starts, length, heard


def _between(times: Array, centres: NDArray[np.floating[Any]], table: Array) -> Array:
    """Columns of a table, interpolated linearly; beyond the first and the last centre they stay."""
    out = np.stack([np.interp(times, centres, column) for column in table.T], axis=1)
    return out.astype(np.float32)


def steps_between(start: float, end: float, hop: float) -> range:
    """Indices of the steps of a track whose middle lies in a stretch of time.

    >>> steps_between(0.0, 1.0, 0.04), steps_between(0.05, 0.15, 0.04)
    (range(0, 25), range(1, 4))
    """
    tiny = 1e-9
    return range(math.ceil(start / hop - 0.5 - tiny), max(0, math.ceil(end / hop - 0.5 - tiny)))


def coarsen(probabilities: Array, parts: int) -> Array:
    """Mean over every ``parts`` steps, of those that have speech.

    Args:
        probabilities: float32 (T, 9); NaN in steps without speech.
        parts: steps that become one; the last may have fewer.

    Returns:
        float32 (ceil(T / parts), 9); NaN where no step had speech.

    >>> coarsen(np.float32([[0.2], [0.4], [np.nan], [np.nan], [0.6]]), 2).ravel().tolist()
    [0.30000001192092896, nan, 0.6000000238418579]
    """
    if parts == 1 or not len(probabilities):
        return probabilities
    starts = np.arange(0, len(probabilities), parts)
    heard = ~np.isnan(probabilities[:, :1])
    total = np.add.reduceat(np.where(heard, probabilities, 0), starts, axis=0, dtype=np.float64)
    count = np.add.reduceat(heard, starts, axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
