"""``emotrace analyze``: its options, and nothing else; the work is in :mod:`emotrace.cli.analysis`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.request import Request
from emotrace.cli.texts import Language, language_of

EXAMPLES = """\b
Examples:
  emotrace analyze talk.m4a
  emotrace analyze calls/ --csv calls.csv
  emotrace analyze talk.wav --granularity frame --plot talk.png
  cat talk.wav | emotrace analyze - --json
"""


class _Granularity(str, Enum):
    utterance = "utterance"
    frame = "frame"
    segment = "segment"


class _Precision(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    int8 = "int8"


class _Device(str, Enum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


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
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw one input over time, to a .png or .svg file; needs the extra 'plot'.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(metavar="NAME", help="Installed model (see `emotrace models list`), or a model folder."),
    ] = "auto",
    precision: Annotated[
        _Precision, typer.Option(metavar=_choice(_Precision), help="Precision of the model.")
    ] = _Precision.auto,
    device: Annotated[
        _Device, typer.Option(metavar=_choice(_Device), help="Where the model runs.")
    ] = _Device.auto,
    threads: Annotated[int, typer.Option(metavar="N", help="Threads of the model; 0 is every core.")] = 0,
    channel: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Take one channel, counted from 0, of inputs and references. [default: the mean of all]",
            show_default=False,
        ),
    ] = None,
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
    whole_seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Longer recordings are cut at pauses; shorter ones taken whole."
        ),
    ] = 30.0,
    max_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Longer recordings are refused.")
    ] = 86400.0,
    lang: Annotated[
        Language | None,
        typer.Option(
            metavar=_choice(Language),
            help="Language of the tables. [default: by LC_ALL, LC_MESSAGES or LANG]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Recognise the emotion of recordings.

    Results go to standard output, everything else to standard error. An input that cannot be used does
    not stop the others.
    """
    request = Request(
        inputs=tuple(inputs),
        granularity=granularity.value,
        hop=hop,
        json=json,
        embedding=embedding,
        out=out,
        csv=csv,
        plot=plot,
        model=model,
        precision=precision.value,
        device=device.value,
        threads=threads,
        channel=channel,
        references=tuple(str(path) for path in reference or ()),
        one_speaker=one_speaker,
        whole_seconds=whole_seconds,
        max_seconds=max_seconds,
        language=lang or language_of(),
    )
    request.check()
    from emotrace.cli.analysis import Analysis

    raise typer.Exit(Analysis(request).run())
