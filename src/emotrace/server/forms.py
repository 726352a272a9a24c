"""The options of a request: those of ``emotrace analyze`` that a client may choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from emotrace.audio import Limits
from emotrace.errors import OptionError
from emotrace.options import Options
from emotrace.outputs import Granularity
from emotrace.pipeline import PipelineOptions
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.presets import Preset
from emotrace.recognition import RecognitionOptions
from emotrace.server.renderings import FOLDER, NAMES, WITH_LANGUAGE, check, known
from emotrace.server.settings import Settings

FRAMES_SECONDS = 600.0
"""Longest recording whose frames are answered as embeddings."""


class ReadingForm(Options):
    """How a recording is read.

    Attributes:
        model: an installed model; auto is the server's own.
        channel: take one channel, from 0; else the mean of all.
        whole_seconds: longer recordings are cut at pauses.
        max_seconds: longer ones are refused; at most, and by default, the server's limit.
    """

    model: str = "auto"
    channel: Annotated[int, Field(ge=0)] | None = None
    whole_seconds: float = Field(default=30.0, gt=0, le=600)
    max_seconds: Annotated[float, Field(gt=0)] | None = None

    def longest(self, settings: Settings) -> float:
        """Seconds that the server takes."""
        return settings.max_seconds

    def limits(self, settings: Settings) -> Limits:
        """What may be decoded.

        Raises:
            OptionError: that is more than the server allows.
        """
        most = self.longest(settings)
        seconds = most if self.max_seconds is None else self.max_seconds
        if seconds > most:
            raise OptionError(f"option max_seconds is {seconds:g}; this server takes at most {most:g}")
        return Limits(max_bytes=settings.max_bytes, max_seconds=seconds)


class EmbeddingForm(ReadingForm):
    """The options of an embedding.

    Attributes:
        frames: every native frame, (T, D), instead of the whole, (D,).

    >>> EmbeddingForm.read({"frames": "true"}).frames
    True
    """

    frames: bool = False

    def longest(self, settings: Settings) -> float:
        """Seconds that the server takes; the frames of an hour would be a gigabyte."""
        return min(settings.max_seconds, FRAMES_SECONDS) if self.frames else settings.max_seconds

    def options(self, settings: Settings) -> dict[str, Any]:
        """For :meth:`emotrace.Recognizer.embed`."""
        return {
            "frame_embeddings": self.frames,
            "whole_seconds": self.whole_seconds,
            "channel": self.channel,
            "limits": self.limits(settings),
        }


class TuningForm(Options):
    """How a smoother works; what is left out is the library's choice.

    Attributes:
        window: frames of vote or median.
        alpha: weight of the newest frame in ewma.
        dwell: expected seconds in one emotion, for hmm, hmm-online and viterbi.
        evidence: independent observations that a second is worth, for the same.
        lag: seconds that hmm-online looks ahead.
        trend: seconds that hmm-online carries each frame on along its slope.
    """

    window: int | None = None
    alpha: float | None = None
    dwell: float | None = None
    evidence: float | None = None
    lag: float | None = None
    trend: float | None = None

    def tuning(self) -> dict[str, float]:
        """What is not left out."""
        values = {name: getattr(self, name) for name in TuningForm.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class RecognitionForm(ReadingForm, TuningForm):
    """The options of a recognition; see ``emotrace analyze --help``.

    Attributes:
        granularity: one emotion for all, emotion over time, or one for each stretch between pauses.
        hop: step of emotion over time in seconds, a multiple of 0.02.
        track_method: how emotion over time is read.
        smooth: smooth emotion over time, and take segments and shares from that.
        preset: rules of the verdict.
        checks: run the signal checks.
        embedding: add the embedding of the whole to JSON, or to the result folder in a ZIP.
        store: false keeps nothing in the history; true gives an error if it cannot be kept.
        format: form of the answer: JSON, CSV, RTTM, Praat's TextGrid, ELAN, WebVTT, audformat, the picture of
            the timeline (png), or the classic result folder (zip).
        language: of captions (webvtt) and pictures (png).

    >>> RecognitionForm.read({"granularity": "frame", "hop": "0.1"}).hop
    0.1
    >>> RecognitionForm.read({"channel": "-1"})
    Traceback (most recent call last):
    emotrace.errors.OptionError: option channel is '-1'; expected greater than or equal to 0
    """

    granularity: Granularity = "utterance"
    hop: float | None = None
    track_method: Literal["auto", "sliding-window", "frame-head"] = "auto"
    smooth: Literal["vote", "voting", "ewma", "median", "hmm", "hmm-online", "viterbi"] | None = None
    preset: str = "default"
    checks: bool = True
    embedding: bool = False
    store: bool | None = None
    format: str = Field(default="json", json_schema_extra={"enum": list(NAMES)})
    language: Literal["en", "zh"] = "en"

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        return known(value)

    def options(self, settings: Settings, presets: Mapping[str, Preset]) -> PipelineOptions:
        """The options of the library.

        Raises:
            OptionError: a value is out of range, has no effect, or there is no such preset.
        """
        over_time = self.granularity == "frame" or self.smooth is not None
        for name in ("hop", "track_method"):
            if not over_time and name in self.model_fields_set:
                raise OptionError(f"option {name} has no effect without granularity=frame or smooth")
        if self.preset not in presets:
            raise OptionError(
                f"there is no preset {self.preset[:100]!r}; expected one of {', '.join(presets)}"
            )
        self._check_form()
        recognition = RecognitionOptions.of(
            frames=self.granularity == "frame",
            frame_embeddings=self._frame_embeddings,
            track_method=self.track_method,
            segments=self.granularity == "segment",
            whole_seconds=self.whole_seconds,
            channel=self.channel,
            limits=self.limits(settings),
            **({} if self.hop is None else {"hop": self.hop}),
        )
        return PipelineOptions.of(
            recognition=recognition,
            checks=self.checks,
            smoothing=self._smoothing(),
            rules=presets[self.preset].rules,
        )

    def _check_form(self) -> None:
        if self.embedding and self.format not in ("json", FOLDER):
            raise OptionError("option embedding has no effect without format=json or format=zip")
        if "language" in self.model_fields_set and self.format not in WITH_LANGUAGE:
            raise OptionError(f"option language has no effect without format={' or '.join(WITH_LANGUAGE)}")
        check(self.format)

    @property
    def _frame_embeddings(self) -> bool:
        return self.embedding and self.format == FOLDER and self.granularity == "frame"

    def longest(self, settings: Settings) -> float:
        """Seconds that the server takes; see :class:`EmbeddingForm`."""
        most = settings.max_seconds
        return min(most, FRAMES_SECONDS) if self._frame_embeddings else most

    def _smoothing(self) -> SmoothingOptions | None:
        given = self.tuning()
        if self.smooth is None:
            if given:
                raise OptionError(f"option {next(iter(given))} has no effect without smooth")
            return None
        return SmoothingOptions.of(method="vote" if self.smooth == "voting" else self.smooth, **given)


class ClassicForm(Options):
    """The fields of the classic endpoint.

    Attributes:
        fn_index: 0 is one emotion for the whole, 1 the emotion of each step of 40 ms.
        store: see :class:`RecognitionForm`.
    """

    fn_index: Literal["0", "1"] = "0"
    store: bool | None = None
