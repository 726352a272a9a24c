"""``emotrace analyze``: its options, and nothing else; the work is in :mod:`emotrace.cli.analysis`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.options import (
    Channel,
    Device,
    MaxSeconds,
    Model,
    Precision,
    Preset,
    Presets,
    Runtime,
    Server,
    Threads,
    WholeSeconds,
)
from emotrace.cli.request import Request, split_names
from emotrace.cli.texts import Language, language_of

EXAMPLES = """\b
Examples:
  emotrace analyze talk.m4a
  emotrace analyze calls/ --csv calls.csv
  emotrace analyze talk.wav --granularity frame --plot talk.png
  emotrace analyze call.mp3 --smooth hmm --preset customer-service
  emotrace analyze talk.wav --smooth hmm --format textgrid > talk.TextGrid
  cat talk.wav | emotrace analyze - --json
"""


class _Granularity(str, Enum):
    utterance = "utterance"
    frame = "frame"
    segment = "segment"


class _TrackMethod(str, Enum):
    auto = "auto"
    sliding_window = "sliding-window"
    frame_head = "frame-head"


class _Smooth(str, Enum):
    vote = "vote"
    voting = "voting"
    ewma = "ewma"
    median = "median"
    hmm = "hmm"
    hmm_online = "hmm-online"
    viterbi = "viterbi"


def _choice(kind: type[Enum]) -> str:
    return "|".join(str(member.value) for member in kind)


def analyze(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Audio or film files, folders with all below, quoted patterns, or - for standard input.",
            show_default=False,
        ),
    ],
    granularity: Annotated[
        _Granularity,
        typer.Option(
            metavar=_choice(_Granularity),
            help="One emotion for all, emotion over time, or one for each stretch between pauses.",
        ),
    ] = _Granularity.utterance,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Step of emotion over time, a multiple of 0.02. [default: 0.04]",
            show_default=False,
        ),
    ] = None,
    track_method: Annotated[
        _TrackMethod,
        typer.Option(
            metavar=_choice(_TrackMethod),
            help="How emotion over time is read: in short windows, or by the head on every frame (finer, and "
            "no slower than the whole); auto is what the model's card says.",
        ),
    ] = _TrackMethod.auto,
    smooth: Annotated[
        _Smooth | None,
        typer.Option(
            metavar=_choice(_Smooth),
            help="Smooth emotion over time, and take segments and their shares from that; voting is vote.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Frames of vote or median. [default: 5; 25 for the median]", show_default=False
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="0..1", help="Weight of the newest frame in ewma. [default: 0.3]", show_default=False
        ),
    ] = None,
    dwell: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Expected time in one emotion, for hmm, hmm-online and viterbi. [default: 8]",
            show_default=False,
        ),
    ] = None,
    lag: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Time that hmm-online looks ahead. [default: 0.5]", show_default=False
        ),
    ] = None,
    preset: Preset = "default",
    presets: Presets = None,
    no_checks: Annotated[
        bool,
        typer.Option(
            "--no-checks",
            help="Leave out the signal checks (noise, band, music, speakers): the verdict knows less then.",
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="JSON instead of tables: one object per input, each on one line.")
    ] = False,
    embedding: Annotated[
        bool,
        typer.Option(
            "--embedding",
            help="Add the embedding: that of the whole to --json; embedding.npy to --out, with --granularity "
            "frame that of the frames.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a folder outputs_YYYYMMDD_HHMMSS for each input into this folder.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a CSV table, one row per input; - for standard output.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME[,NAME]",
            help="json, csv, rttm, textgrid (Praat), elan, webvtt or audformat: one of one input on standard "
            "output, or any into the folders of --out, as result.SUFFIX; can be given again and again.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw one input over time, to a .png or .svg file; needs the extra 'plot'.",
            show_default=False,
        ),
    ] = None,
    model: Model = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    runtime: Runtime = "auto",
    threads: Threads = 0,
    channel: Channel = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A clip of the speaker to compare with; can be given again and again, three are enough.",
            show_default=False,
        ),
    ] = None,
    one_speaker: Annotated[
        bool, typer.Option("--one-speaker", help="All inputs are of one speaker: compare each with all.")
    ] = False,
    whole_seconds: WholeSeconds = 30.0,
    max_seconds: MaxSeconds = 86400.0,
    server: Server = None,
    lang: Annotated[
        Language | None,
        typer.Option(
            metavar=_choice(Language),
            help="Language of tables and picture. [default: by LC_ALL, LC_MESSAGES or LANG]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Recognise the emotion of recordings, and judge whether to believe it.

    Results go to standard output, everything else to standard error. An input that cannot be used does
    not stop the others.
    """
    request = Request(
        inputs=tuple(inputs),
        granularity=granularity.value,
        hop=hop,
        track_method=track_method.value,
        json=json,
        embedding=embedding,
        out=out,
        csv=csv,
        formats=split_names(form),
        plot=plot,
        model=model,
        precision=precision,
        device=device,
        runtime=runtime,
        threads=threads,
        channel=channel,
        references=tuple(str(path) for path in reference or ()),
        one_speaker=one_speaker,
        whole_seconds=whole_seconds,
        max_seconds=max_seconds,
        smooth=smooth and ("vote" if smooth is _Smooth.voting else smooth.value),
        window=window,
        alpha=alpha,
        dwell=dwell,
        lag=lag,
        preset=preset,
        presets=presets,
        checks=not no_checks,
        language=lang or language_of(),
        server=server,
    )
    request.check()
    if server is not None:
        from emotrace.cli.remote import RemoteAnalysis

        raise typer.Exit(RemoteAnalysis(request).run())
    from emotrace.cli.analysis import Analysis

    raise typer.Exit(Analysis(request).run())
