"""The options of a recognition: one record for library, command line and server."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from emotrace.audio import Limits
from emotrace.errors import OptionError

NATIVE_STEP = 0.02


class RecognitionOptions(BaseModel):
    """What is asked of a recognition.

    Attributes:
        frames: read emotion over time.
        hop: seconds from one step of the track to the next, a multiple of 0.02.
        track_method: how emotion over time is read: ``"sliding-window"``, ``"frame-head"`` (finer, at no
            further cost), or ``"auto"``: as the model's card says.
        frame_embeddings: keep the embeddings of the native frames.
        segments: cut at pauses also what is short enough to be recognised whole.
        whole_seconds: recordings up to this long are recognised whole, as one utterance.
        channel: index of the channel to take, from 0; None mixes all down.
        self_reference: build a speaker reference inside a recording that is cut at pauses.
        quality: run the signal checks as well, on the same samples.
        limits: largest input.

    >>> RecognitionOptions.of(frames=True, hop=0.1).hop
    0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    frames: bool = False
    hop: float = Field(default=0.04, ge=NATIVE_STEP, le=60)
    track_method: Literal["auto", "sliding-window", "frame-head"] = "auto"
    frame_embeddings: bool = False
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

    @classmethod
    def of(cls, **values: Any) -> RecognitionOptions:
        """Validated options.

        Raises:
            OptionError: a value is out of range, or there is no such option.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "options"
    if first["type"] == "extra_forbidden":
        return f"there is no option {name!r}; expected one of {', '.join(RecognitionOptions.model_fields)}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"option {name} is {first['input']!r}; {message}"
