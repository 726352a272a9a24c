"""The options of smoothing and of segments: one record each for library, command line and server."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from emotrace.labels import LABELS
from emotrace.options import Options

Method: TypeAlias = Literal["vote", "ewma", "median", "hmm-online", "hmm", "viterbi"]

VOTE_WINDOW = 5
MEDIAN_WINDOW = 25
LARGEST_MEDIAN = 1001

# Found with `python benchmarks/smoothing.py --split validation --tune` on the built-in model's tracks of 240
# stitched recordings of the validation speakers, together with the prior below. Among those whose frame
# accuracy is as good as the best: offline, with at most 2.2 false switches a minute, the one that misses the
# fewest changes; online the one with the fewest false switches. A longer dwell time and more evidence undo
# each other, so only one of them was searched.
DWELL = 8.0
EVIDENCE = {"hmm": 3.0, "viterbi": 7.0, "hmm-online": 12.0}

# From the same search, without lag: a little more than half the time from one window of a track to the next.
TREND = 0.3

# Square root of the mean probabilities on the same tracks, each emotion weighing the same; `unknown`, which
# they do not hold, is left as if it were fair. The root, because in full it did not help speakers left out.
PRIORS: dict[str, tuple[float, ...]] = {
    "compact": (0.147, 0.102, 0.102, 0.112, 0.117, 0.101, 0.117, 0.087, 0.116),
}


def prior_of(model: str) -> tuple[float, ...] | None:
    """The class prior to smooth a model's tracks with, if one is known.

    Args:
        model: its name.

    >>> prior_of("compact")[0], prior_of("another") is None
    (0.147, True)
    """
    return PRIORS.get(model)


_USED: dict[str, frozenset[str]] = {
    "vote": frozenset({"window", "step"}),
    "ewma": frozenset({"alpha"}),
    "median": frozenset({"window"}),
    "hmm-online": frozenset({"dwell", "evidence", "prior", "transitions", "lag", "trend"}),
    "hmm": frozenset({"dwell", "evidence", "prior", "transitions"}),
    "viterbi": frozenset({"dwell", "evidence", "prior", "transitions"}),
}


class SmoothingOptions(Options):
    """How a track is smoothed.

    Attributes:
        method: ``"vote"``, ``"ewma"``, ``"median"``, ``"hmm-online"`` (hidden Markov chain, fixed lag),
            ``"hmm"`` (the same over the whole recording) or ``"viterbi"`` (likeliest sequence).
        window: steps of a vote or median (at most 1,001, because it sorts them all); None is 5 for a vote
            and 25 for a median.
        step: steps from one vote to the next.
        alpha: weight of the newest step in the moving average, above 0 and at most 1.
        dwell: expected seconds in an emotion, at most a million.
        lag: seconds that ``"hmm-online"`` waits for before it decides.
        trend: seconds that ``"hmm-online"`` carries each step on along its slope, because a track announces a
            change before it is there; None is what ``lag`` falls short of :data:`TREND`.
        evidence: how many independent observations one second of a track is worth; None is what was found
            best for the method (:data:`EVIDENCE`). More of it follows changes sooner and flickers more.
        prior: how often the model says each of the nine emotions when all are equally frequent, as
            :func:`prior_of` knows it; None is equally often. Only ratios matter.
        transitions: probability of going from each emotion to each in one step, instead of ``dwell``; see
            :func:`~emotrace.postprocess.chain.learned`.

    >>> SmoothingOptions.of(method="vote", window=25).window
    25
    """

    method: Method = "hmm"
    window: int | None = Field(default=None, ge=1, le=100_000)
    step: int = Field(default=1, ge=1)
    alpha: float = Field(default=0.3, gt=0, le=1)
    dwell: float = Field(default=DWELL, gt=0, le=1e6)
    lag: float = Field(default=0.5, ge=0, le=60)
    trend: float | None = Field(default=None, ge=0, le=2)
    evidence: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    prior: tuple[float, ...] | None = None
    transitions: tuple[tuple[float, ...], ...] | None = None

    @field_validator("prior")
    @classmethod
    def _nine(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (len(value) != len(LABELS) or not all(0 < p <= 1 for p in value)):
            raise ValueError(f"expected {len(LABELS)} numbers above 0 and at most 1")
        return value

    @field_validator("transitions")
    @classmethod
    def _rows(cls, value: tuple[tuple[float, ...], ...] | None) -> tuple[tuple[float, ...], ...] | None:
        rows = value or ()
        square = [len(row) for row in rows] == [len(LABELS)] * len(LABELS)
        fair = square and all(min(row) > 0 and abs(sum(row) - 1) < 1e-6 for row in rows)
        if value is not None and not fair:
            raise ValueError(f"expected {len(LABELS)} rows of {len(LABELS)} numbers above 0 that sum to 1")
        return value

    @model_validator(mode="after")
    def _sortable(self) -> SmoothingOptions:
        if self.method == "median" and (self.window or 0) > LARGEST_MEDIAN:
            raise ValueError(
                f"option window is {self.window}; expected at most {LARGEST_MEDIAN} for a median"
            )
        return self

    @model_validator(mode="after")
    def _has_effect(self) -> SmoothingOptions:
        idle = sorted(self.model_fields_set - {"method"} - _USED[self.method])
        if idle:
            raise ValueError(
                f"option {idle[0]} has no effect on {self.method!r}, which takes "
                f"{', '.join(sorted(_USED[self.method]))}; leave it out"
            )
        return self


class SegmentOptions(Options):
    """How a track is cut into segments.

    Attributes:
        margin: hysteresis: how much likelier another emotion must be to end a segment, 0 to 1.
        min_duration: seconds; shorter segments are merged into a neighbour.
        max_pause: seconds without speech that a segment goes on over.

    >>> SegmentOptions.of(margin=0.1).min_duration
    0.5
    """

    margin: float = Field(default=0.1, ge=0, lt=1)
    min_duration: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    max_pause: float = Field(default=0.3, ge=0, allow_inf_nan=False)
