"""Options that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Installed model (see `emotrace models list`), or a model folder; auto is the best that names "
        "emotions.",
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="auto|fp32|int8|bf16",
        help="Precision of the model; auto is int8 where it was measured to be faster and close to fp32.",
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where the model runs.")]
Runtime = Annotated[
    str,
    typer.Option(
        "--runtime",
        metavar="auto|onnxruntime|torch",
        help="What runs the model; torch needs the extra 'convert'.",
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", help="Threads of the model; 0 is every core.")
]
Channel = Annotated[
    int | None,
    typer.Option(
        "--channel",
        metavar="N",
        help="Take one channel, counted from 0. [default: the mean of all]",
        show_default=False,
    ),
]
WholeSeconds = Annotated[
    float,
    typer.Option(
        "--whole-seconds",
        metavar="SECONDS",
        help="Longer recordings are cut at pauses; shorter ones taken whole.",
    ),
]
MaxSeconds = Annotated[
    float, typer.Option("--max-seconds", metavar="SECONDS", help="Longer recordings are refused.")
]
Preset = Annotated[
    str,
    typer.Option("--preset", metavar="NAME", help="Rules of the verdict (see `emotrace thresholds list`)."),
]
Presets = Annotated[
    Path | None,
    typer.Option("--presets", metavar="FILE", help="A TOML file of more presets.", show_default=False),
]
Smooth = Annotated[
    str,
    typer.Option(
        "--smooth",
        metavar="vote|ewma|median|hmm|hmm-online|viterbi|none",
        help="How emotion over time is smoothed.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="What is only flagged counts as low quality, too.")]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", metavar="N", help="Recordings at the same time; 0 suits the machine: one per core."
    ),
]
Progress = Annotated[
    str,
    typer.Option(
        "--progress",
        metavar="bar|json|none",
        help="On standard error: a bar where a person watches, or lines of JSON for programs.",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Have it done by `emotrace serve` there; the key is the variable EMOTRACE_KEY.",
        show_default=False,
    ),
]
