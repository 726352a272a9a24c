"""What is asked of ``emotrace analyze``, as one record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emotrace.cli.groups import given
from emotrace.cli.inputs import STDIN, SUFFIXES
from emotrace.cli.options import (
    Backend,
    Decoding,
    Inputs,
    JsonLines,
    Judging,
    Server,
    Smooth,
    Threads,
    Tuning,
    WholeSeconds,
    language_option,
    method_of,
    open_option,
)
from emotrace.cli.texts import Language, language_of
from emotrace.errors import OptionError

if TYPE_CHECKING:
    from emotrace.pipeline import PipelineOptions
    from emotrace.postprocess.options import SmoothingOptions

STDOUT = Path("-")


def split_names(given: Iterable[str] | None) -> tuple[str, ...]:
    """Names that were given one by one or with commas between, each once.

    >>> split_names(["rttm,elan", "rttm"])
    ('rttm', 'elan')
    """
    names = (name.strip() for each in given or () for name in each.split(","))
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``emotrace analyze``; the commands for many recordings have some of them."""

    inputs: Inputs
    granularity: Annotated[
        Literal["utterance", "frame", "segment"],
        typer.Option(
            metavar="utterance|frame|segment",
            help="One emotion for all, emotion over time, or one for each stretch between pauses.",
        ),
    ] = "utterance"
    hop: Annotated[
        float | None,
        open_option("--hop", "SECONDS", "Step of emotion over time, a multiple of 0.02.", "0.04"),
    ] = None
    track_method: Annotated[
        Literal["auto", "sliding-window", "frame-head"],
        typer.Option(
            metavar="auto|sliding-window|frame-head",
            help="How emotion over time is read: in short windows, or by the head on every frame (finer, and "
            "no slower than the whole); auto is what the model's card says.",
        ),
    ] = "auto"
    smooth: Smooth = "none"
    tuning: Tuning = field(default_factory=Tuning)
    judging: Judging = field(default_factory=Judging)
    no_checks: Annotated[
        bool,
        typer.Option(
            "--no-checks",
            help="Leave out the signal checks (noise, band, music, speakers): the verdict knows less then.",
        ),
    ] = False
    json: JsonLines = False
    embedding: Annotated[
        bool,
        typer.Option(
            "--embedding",
            help="Add the embedding: that of the whole to --json; embedding.npy to --out, with --granularity "
            "frame that of the frames.",
        ),
    ] = False
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a folder outputs_YYYYMMDD_HHMMSS for each input into this folder.",
            show_default=False,
        ),
    ] = None
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a CSV table, one row per input; - for standard output.",
            show_default=False,
        ),
    ] = None
    format: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="json, csv, rttm, textgrid (Praat), elan, webvtt or audformat: one of one input on standard "
            "output, or any into the folders of --out, as result.SUFFIX; can be given again and again.",
            show_default=False,
        ),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw one input over time, to a .png or .svg file; needs the extra 'plot'.",
            show_default=False,
        ),
    ] = None
    backend: Backend = field(default_factory=Backend)
    threads: Threads = 0
    references: Annotated[
        list[Path] | None,
        typer.Option(
            "--reference",
            metavar="FILE",
            help="A clip of the speaker to compare with; can be given again and again, ten are good.",
            show_default=False,
        ),
    ] = None
    one_speaker: Annotated[
        bool, typer.Option("--one-speaker", help="All inputs are of one speaker: compare each with all.")
    ] = False
    whole_seconds: WholeSeconds = 30.0
    decoding: Decoding = field(default_factory=Decoding)
    server: Server = None
    lang: Annotated[Language | None, language_option("tables and picture")] = None

    @property
    def formats(self) -> tuple[str, ...]:
        """The forms of results that are wanted, each once."""
        return split_names(self.format)

    @property
    def language(self) -> Language:
        """Of tables and pictures."""
        return self.lang or language_of()

    def check(self) -> None:
        """Refuse options that contradict each other or would have no effect.

        Raises:
            OptionError: they do.
        """
        for broken, sentence in self._contradictions():
            if broken:
                raise OptionError(sentence)

    def _contradictions(self) -> Iterator[tuple[bool, str]]:
        """Whether each is there, and the sentence about it."""
        over_time = self.granularity == "frame" or self.plot is not None or self.smooth != "none"
        yield from (
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
                self.smooth == "none" and bool(given(self.tuning)),
                f"--{next(iter(given(self.tuning)), '')} has no effect without --smooth",
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

    def options(self) -> PipelineOptions:
        """The options of the library.

        Raises:
            OptionError: a value is out of range, or there is no such preset.
            InputError: the file of presets is not right.
        """
        from emotrace.pipeline import PipelineOptions
        from emotrace.recognition import RecognitionOptions

        hop = {} if self.hop is None else {"hop": self.hop}
        recognition = RecognitionOptions.of(
            frames=self.granularity == "frame" or self.plot is not None,
            track_method=self.track_method,
            frame_embeddings=self.embedding and self.out is not None and self.granularity == "frame",
            segments=self.granularity == "segment",
            whole_seconds=self.whole_seconds,
            channel=self.decoding.channel,
            limits=self.decoding.limits(),
            **hop,
        )
        return PipelineOptions.of(
            recognition=recognition,
            checks=not self.no_checks,
            smoothing=self._smoothing(),
            rules=self.judging.find().rules,
        )

    def _smoothing(self) -> SmoothingOptions | None:
        from emotrace.postprocess.options import SmoothingOptions

        method = method_of(self.smooth)
        return None if method is None else SmoothingOptions.of(method=method, **given(self.tuning))
