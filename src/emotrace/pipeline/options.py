"""What is asked of an analysis, as one record for library, command line and service."""

from __future__ import annotations

from pydantic import Field

from emotrace.options import Options
from emotrace.postprocess.options import SegmentOptions, SmoothingOptions
from emotrace.postprocess.rules import Rules
from emotrace.recognition import RecognitionOptions


class PipelineOptions(Options):
    """What is asked of an analysis.

    Attributes:
        recognition: how the recording is read; smoothing switches ``frames`` on.
        checks: run the signal checks; without them a verdict goes by the measures of the recording alone.
        smoothing: how emotion over time is smoothed; None leaves it as it is. Without a ``prior`` of its own,
            that of the model is taken, if one is known.
        segments: how a smoothed track is cut.
        rules: thresholds of the verdict; None gives no verdict.

    >>> options = PipelineOptions.of(smoothing={"method": "vote", "window": 25}, rules=None)
    >>> options.smoothing.window, options.reading.frames
    (25, True)
    """

    recognition: RecognitionOptions = Field(default_factory=RecognitionOptions)
    checks: bool = True
    smoothing: SmoothingOptions | None = None
    segments: SegmentOptions = Field(default_factory=SegmentOptions)
    rules: Rules | None = Field(default_factory=Rules)

    @property
    def reading(self) -> RecognitionOptions:
        """The options of the recognition, with what the steps after it need."""
        needed = {
            "frames": self.recognition.frames or self.smoothing is not None,
            "quality": self.recognition.quality or self.checks,
            "frame_embeddings": bool(self.recognition.frame_embeddings),
        }
        return self.recognition.model_copy(update=needed)
