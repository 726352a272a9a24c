"""What is asked of ``emotrace analyze``, as one record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emotrace.cli.inputs import STDIN, SUFFIXES
from emotrace.cli.texts import Language
from emotrace.errors import OptionError

if TYPE_CHECKING:
    from emotrace.pipeline import PipelineOptions
    from emotrace.postprocess.options import SmoothingOptions
    from emotrace.postprocess.rules import Rules

STDOUT = Path("-")


def batch_request(inputs: Iterable[str], smooth: str, **given: Any) -> Request:
    """What is asked of many recordings.

    Args:
        inputs: as they were given.
        smooth: name of the method; ``none``, or ``voting`` for vote.
        given: the other fields of :class:`Request`.
    """
    method = {"none": None, "voting": "vote"}.get(smooth, smooth)
    return Request(inputs=tuple(inputs), smooth=method, **given)


def split_names(given: Iterable[str] | None) -> tuple[str, ...]:
    """Names that were given one by one or with commas between, each once.

    >>> split_names(["rttm,elan", "rttm"])
    ('rttm', 'elan')
    """
    names = (name.strip() for each in given or () for name in each.split(","))
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``emotrace analyze``; see its help for each."""

    inputs: tuple[str, ...]
    granularity: Literal["utterance", "frame", "segment"] = "utterance"
    hop: float | None = None
    track_method: str = "auto"
    json: bool = False
    embedding: bool = False
    out: Path | None = None
    csv: Path | None = None
    formats: tuple[str, ...] = ()
    plot: Path | None = None
    model: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    runtime: str = "auto"
    threads: int = 0
    channel: int | None = None
    references: tuple[str, ...] = ()
    one_speaker: bool = False
    whole_seconds: float = 30.0
    max_seconds: float = 86400.0
    smooth: str | None = None
    window: int | None = None
    alpha: float | None = None
    dwell: float | None = None
    lag: float | None = None
    preset: str = "default"
    presets: Path | None = None
    checks: bool = True
    language: Language = Language.en
    server: str | None = None

    def check(self) -> None:
        """Refuse options that contradict each other or would have no effect.

        Raises:
            OptionError: they do.
        """
        over_time = self.granularity == "frame" or self.plot is not None or self.smooth is not None
        rules = (
            (
                self.json and self.csv == STDOUT,
                "--json and --csv - both write to standard output; give --csv a file",
            ),
            (
                bool(self.formats) and self.out is None and (self.json or self.csv == STDOUT),
                "--format, --json and --csv - write to standard output; give one of them, or add --out",
            ),
            (
                len(self.formats) > 1 and self.out is None,
                f"--format was given {len(self.formats)} formats; standard output takes one: add --out",
            ),
            (
                self.embedding and not (self.json or self.out),
                "--embedding has no effect alone; add --json or --out",
            ),
            (
                self.hop is not None and not over_time,
                "--hop has no effect without --granularity frame, --smooth or --plot",
            ),
            (
                self.track_method != "auto" and not over_time,
                "--track-method has no effect without --granularity frame, --smooth or --plot",
            ),
            (
                self.smooth is None and bool(self._tuning()),
                f"--{next(iter(self._tuning()), '')} has no effect without --smooth",
            ),
            (
                self.one_speaker and bool(self.references),
                "--one-speaker and --reference contradict each other; give one of them",
            ),
            (
                self.one_speaker and STDIN in self.inputs,
                "--one-speaker reads each input twice; standard input ('-') is gone then; save it to a file",
            ),
            (
                self.csv is not None and self.csv.suffix.lower() in SUFFIXES,
                f"--csv {str(self.csv)!r} would replace a recording; expected a name such as results.csv",
            ),
        )
        for broken, sentence in rules:
            if broken:
                raise OptionError(sentence)

    def _tuning(self) -> dict[str, float]:
        given = {"window": self.window, "alpha": self.alpha, "dwell": self.dwell, "lag": self.lag}
        return {name: value for name, value in given.items() if value is not None}

    def options(self) -> PipelineOptions:
        """The options of the library.

        Raises:
            OptionError: a value is out of range, or there is no such preset.
            InputError: the file of presets is not right.
        """
        from emotrace.audio import Limits
        from emotrace.pipeline import PipelineOptions
        from emotrace.recognition import RecognitionOptions

        hop = {} if self.hop is None else {"hop": self.hop}
        recognition = RecognitionOptions.of(
            frames=self.granularity == "frame" or self.plot is not None,
            track_method=self.track_method,
            frame_embeddings=self.embedding and self.out is not None and self.granularity == "frame",
            segments=self.granularity == "segment",
            whole_seconds=self.whole_seconds,
            channel=self.channel,
            limits=Limits(max_seconds=self.max_seconds),
            **hop,
        )
        return PipelineOptions.of(
            recognition=recognition, checks=self.checks, smoothing=self._smoothing(), rules=self._rules()
        )

    def _smoothing(self) -> SmoothingOptions | None:
        from emotrace.postprocess.options import SmoothingOptions

        if self.smooth is None:
            return None
        return SmoothingOptions.of(method=self.smooth, **self._tuning())

    def _rules(self) -> Rules:
        from emotrace.postprocess.presets import find_preset

        return find_preset(self.preset, self.presets).rules
