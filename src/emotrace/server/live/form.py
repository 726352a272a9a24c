"""The first message of a live stream: its sound and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from emotrace.audio import Limits
from emotrace.errors import OptionError
from emotrace.pipeline import PipelineOptions
from emotrace.postprocess.presets import Preset
from emotrace.server.forms import RecognitionForm, TuningForm
from emotrace.server.settings import Settings

Smooth = Literal["none", "vote", "voting", "ewma", "median", "hmm", "hmm-online", "viterbi"]


class StreamForm(TuningForm):
    """What a client says first.

    Attributes:
        type: ``"start"``, if it is there.
        sampling_rate: of the frames to come, in Hz.
        encoding: of a sample: 16 bits, signed, little-endian.
        channels: of the frames, interleaved.
        channel: take one channel, from 0; else the mean of all.
        hop: seconds between two emotion messages while somebody speaks; null is the model's own.
        smooth: how they are smoothed, and emotion over time of the result; none leaves both as they are. The
            tuning is of both: their frames are the readings, and the steps of the result.
        preset: rules of the verdicts.
        checks: run the signal checks.
        model: an installed model; auto is the server's own.
        frames: put emotion over time, in steps of 40 ms, into each result.
        embedding: put the embedding into each result.
        store: keep the result in the history; null leaves it to the service.
        name: what the recording is called.

    >>> StreamForm.of(sampling_rate=16000).encoding
    'pcm_s16le'
    """

    type: Literal["start"] = "start"
    sampling_rate: int = Field(ge=8000, le=48000, strict=True)
    encoding: Literal["pcm_s16le"] = "pcm_s16le"
    channels: int = Field(default=1, ge=1, le=16, strict=True)
    channel: Annotated[int, Field(ge=0)] | None = None
    hop: Annotated[float, Field(ge=0.1, le=60)] | None = None
    smooth: Smooth = "hmm-online"
    preset: str = "default"
    checks: bool = True
    model: str = "auto"
    frames: bool = False
    embedding: bool = False
    store: bool | None = None
    name: str = Field(default="<stream>", min_length=1, max_length=200)

    def options(self, settings: Settings, presets: Mapping[str, Preset]) -> PipelineOptions:
        """The options of the library.

        Raises:
            OptionError: a value is out of range, has no effect, or there is no such preset.
        """
        if self.channel is not None and self.channel >= self.channels:
            raise OptionError(
                f"option channel is {self.channel}; expected less than channels, which is {self.channels}"
            )
        fields: dict[str, Any] = {name: getattr(self, name) for name in ("preset", "checks", "channel")}
        fields |= self.tuning()
        if self.smooth != "none":
            fields["smooth"] = self.smooth
        form = RecognitionForm.of(granularity="frame" if self.frames else "segment", **fields)
        options = form.options(settings, presets)
        limits = Limits(max_seconds=settings.stream_max_seconds)
        recognition = options.recognition.model_copy(update={"limits": limits})
        return options.model_copy(update={"recognition": recognition})
