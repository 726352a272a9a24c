"""The options of a recognition: one record for library, command line and server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from emotrace.audio import Limits
from emotrace.options import Options

NATIVE_STEP = 0.02


class RecognitionOptions(Options):
    """What is asked of a recognition.

    Attributes:
        frames: read emotion over time.
        hop: seconds from one step of the track to the next, a multiple of 0.02.
        track_method: how emotion over time is read: ``"sliding-window"``, ``"frame-head"`` (finer, at no
            further cost), or ``"auto"``: as the model's card says.
        frame_embeddings: keep the embeddings of the native frames: 0.3 GB for an hour. None keeps them beside
            the ``frames`` of one recording that is recognised whole.
        segments: cut at pauses also what is short enough to be recognised whole.
        whole_seconds: recordings up to this long are recognised whole, as one utterance.
        channel: index of the channel to take, from 0; None mixes all down.
        self_reference: build a speaker reference inside a recording that is cut at pauses.
        quality: run the signal checks as well, on the same samples.
        limits: largest input.

    >>> RecognitionOptions.of(frames=True, hop=0.1).hop
    0.1
    """

    frames: bool = False
    hop: float = Field(default=0.04, ge=NATIVE_STEP, le=60)
    track_method: Literal["auto", "sliding-window", "frame-head"] = "auto"
    frame_embeddings: bool | None = None
    segments: bool = False
    whole_seconds: float = Field(default=30.0, gt=0, le=600)
    channel: int | None = Field(default=None, ge=0)
    self_reference: bool = True
    quality: bool = False
    limits: Limits = Field(default_factory=Limits)

    @field_validator("hop")
    @classmethod
    def _multiple(cls, value: float) -> float:
        steps = round(value / NATIVE_STEP)
        if abs(value - steps * NATIVE_STEP) > 1e-6:
            raise ValueError(f"expected a multiple of {NATIVE_STEP} s")
        return round(steps * NATIVE_STEP, 2)
