"""From options to a smoother, and whole tracks through it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emotrace.labels import LABELS
from emotrace.postprocess.chain import Chain, sticky
from emotrace.postprocess.hidden_markov import ForwardBackward, OnlineHiddenMarkov, Viterbi
from emotrace.postprocess.options import EVIDENCE, MEDIAN_WINDOW, TREND, VOTE_WINDOW, SmoothingOptions
from emotrace.postprocess.smoothing import (
    WIDTH,
    Ewma,
    Median,
    Rows,
    Smoothed,
    Smoother,
    Vote,
    likeliest,
)
from emotrace.results import EmotionTrack

_PIECE = 1 << 15  # steps that are pushed at a time


def smoother_of(options: SmoothingOptions, hop: float, *, edges: bool = True) -> Smoother:
    """A new smoother.

    Args:
        options: what it shall be.
        hop: seconds of a step.
        edges: a vote also gives rows for the steps at the ends; False is its classic definition.

    >>> smoother_of(SmoothingOptions.of(method="vote"), 0.04).latency
    Latency(steps=2, seconds=0.08)
    """
    if options.method == "vote":
        return Vote(options.window or VOTE_WINDOW, options.step, edges=edges, hop=hop)
    if options.method == "ewma":
        return Ewma(options.alpha, hop=hop)
    if options.method == "median":
        return Median(options.window or MEDIAN_WINDOW, hop=hop)
    chain = chain_of(options, hop)
    if options.method == "hmm-online":
        lag = round(options.lag / hop)
        trend = max(0.0, TREND - lag * hop) if options.trend is None else options.trend
        return OnlineHiddenMarkov(chain, lag, trend=trend, hop=hop)
    return ForwardBackward(chain) if options.method == "hmm" else Viterbi(chain)


def chain_of(options: SmoothingOptions, hop: float) -> Chain:
    """The hidden Markov model that the options describe.

    Args:
        options: ``dwell`` or ``transitions``, ``evidence`` and ``prior`` are used.
        hop: seconds of a step.

    >>> round(chain_of(SmoothingOptions.of(method="hmm", evidence=5), hop=0.02).scale, 3)
    0.1
    """
    given = options.transitions
    matrix = sticky(options.dwell, hop) if given is None else np.array(given, np.float64)
    prior = np.full(WIDTH, 1 / WIDTH) if options.prior is None else np.array(options.prior, np.float64)
    evidence = options.evidence or EVIDENCE[options.method]
    return Chain(matrix, min(1.0, evidence * hop), prior)  # a step is one observation at most


def pieces(smoother: Smoother, rows: Rows) -> Iterator[Smoothed]:
    """All that a smoother gives for some steps and their end."""
    for start in range(0, len(rows), _PIECE):
        yield smoother.push(rows[start : start + _PIECE])
    yield smoother.finish()


def smooth_rows(smoother: Smoother, rows: Rows) -> Smoothed:
    """All that a smoother gives for some steps and their end, as one.

    >>> smooth_rows(Ewma(1.0), np.eye(9)[:4]).indices.tolist()
    [0, 1, 2, 3]
    """
    parts = list(pieces(smoother, rows))
    indices = np.concatenate([part.indices for part in parts])
    return Smoothed(indices, np.concatenate([part.rows for part in parts]))


def smooth(track: EmotionTrack, options: SmoothingOptions) -> EmotionTrack:
    """A track with less flicker.

    Args:
        track: emotion over time.
        options: how.

    Returns:
        The same steps, but every ``options.step``-th only for a vote; NaN where there is no speech; each
        other row sums to 1, its largest value is at the smoothed emotion.

    Raises:
        InputError: a probability is negative or infinite.

    >>> times = np.arange(6, dtype=np.float32)
    >>> track = EmotionTrack(times, np.eye(9, dtype=np.float32)[[3, 3, 6, 3, 3, 3]], 1.0, "by hand")
    >>> smooth(track, SmoothingOptions.of(method="vote", window=3)).emotions
    ['happy', 'happy', 'happy', 'happy', 'happy', 'happy']
    """
    smoothed = smooth_rows(smoother_of(options, track.hop), np.asarray(track.probabilities, np.float64))
    totals = smoothed.rows.sum(axis=1, keepdims=True)
    rows = smoothed.rows / np.where(totals > 0, totals, 1)
    return EmotionTrack(
        track.times[smoothed.indices],
        rows.astype(np.float32),
        track.hop * (options.step if options.method == "vote" else 1),
        f"{track.method}, {options.method}",
    )


def utterance_by_vote(rows: Rows) -> tuple[str, float]:
    """The most frequent emotion of smoothed steps and its mean score; a tie goes to the one seen first.

    Args:
        rows: float64 (n, 9); NaN without speech.

    Returns:
        Emotion and confidence; ``("unknown", 0.0)`` if there is no step with speech.

    >>> utterance_by_vote(np.eye(9)[[6, 3, 3]])
    ('happy', 1.0)
    """
    labels: NDArray[np.int64] = likeliest(rows)
    heard = labels[labels >= 0]
    if not len(heard):
        return "unknown", 0.0
    found, first, counts = np.unique(heard, return_index=True, return_counts=True)
    winner = int(found[np.lexsort((first, -counts))[0]])
    scores = rows[labels == winner, winner].tolist()
    return LABELS[winner], sum(scores) / len(scores)


def utterance_by_last(rows: Rows) -> tuple[str, float]:
    """The emotion of the last step with speech and its score, as of a moving average.

    Args:
        rows: float64 (n, 9); NaN without speech.

    Returns:
        Emotion and confidence; ``("unknown", 0.0)`` if there is no step with speech.

    >>> utterance_by_last(np.eye(9)[[6, 3, 3]])
    ('happy', 1.0)
    """
    labels = likeliest(rows)
    heard = np.flatnonzero(labels >= 0)
    if not len(heard):
        return "unknown", 0.0
    last = int(heard[-1])
    return LABELS[labels[last]], float(rows[last, labels[last]])
