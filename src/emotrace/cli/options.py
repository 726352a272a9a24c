"""Options that several commands have, each written once; those that go together are one record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from emotrace.audio import Limits
    from emotrace.postprocess import presets as rule_sets

Smoother: TypeAlias = Literal["vote", "voting", "ewma", "median", "hmm", "hmm-online", "viterbi"]
"""What can be asked for; ``voting`` is the classic name of the vote."""


def method_of(smoother: str) -> str | None:
    """What the library calls a smoother; None for ``none``.

    >>> method_of("voting"), method_of("none")
    ('vote', None)
    """
    return {"none": None, "voting": "vote"}.get(smoother, smoother)


def open_option(flag: str, metavar: str, text: str, default: str) -> Any:
    """An option that is left to the library unless it is given."""
    return typer.Option(flag, metavar=metavar, help=f"{text} [default: {default}]", show_default=False)


def language_option(text: str) -> Any:
    """The option ``--lang``.

    Args:
        text: whose language it is.
    """
    return open_option("--lang", "zh|en", f"Language of {text}.", "by LC_ALL, LC_MESSAGES or LANG")


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Audio or film files, folders with all below, quoted patterns, or - for standard input.",
        show_default=False,
    ),
]
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
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", help="Threads of the model; 0 is every core.")
]
WholeSeconds = Annotated[
    float,
    typer.Option(
        "--whole-seconds",
        metavar="SECONDS",
        help="Longer recordings are cut at pauses; shorter ones taken whole.",
    ),
]
PresetName = Annotated[
    str,
    typer.Option("--preset", metavar="NAME", help="Rules of the verdict (see `emotrace thresholds list`)."),
]
PresetFile = Annotated[
    Path | None,
    typer.Option("--presets", metavar="FILE", help="A TOML file of more presets.", show_default=False),
]
Smooth = Annotated[
    Literal["none", Smoother],
    typer.Option(
        "--smooth",
        metavar="none|vote|voting|ewma|median|hmm|hmm-online|viterbi",
        help="Smooth emotion over time, and take segments and their shares from that; voting is vote.",
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
    Literal["bar", "json", "none"],
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
JsonText = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="JSON instead of tables: one object per input, each on one line.")
]
JsonSummary = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@dataclass(frozen=True, slots=True)
class Backend:
    """Which model recognises, and where it runs; the first arguments of Recognizer and of the engines."""

    model: Model = "auto"
    precision: Precision = "auto"
    device: Device = "auto"
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            metavar="auto|onnxruntime|torch",
            help="What runs the model; torch needs the extra 'convert'.",
        ),
    ] = "auto"


@dataclass(frozen=True, slots=True)
class Decoding:
    """What is read of a recording."""

    channel: Annotated[
        int | None, open_option("--channel", "N", "Take one channel, counted from 0.", "the mean of all")
    ] = None
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", metavar="SECONDS", help="Longer recordings are refused.")
    ] = 86400.0

    def limits(self) -> Limits:
        """What may be decoded.

        Raises:
            OptionError: the longest time is not above 0.
        """
        from emotrace.audio import Limits

        return Limits(max_seconds=self.max_seconds)


@dataclass(frozen=True, slots=True)
class Judging:
    """The rules of the verdict."""

    preset: PresetName = "default"
    presets: PresetFile = None

    def find(self) -> rule_sets.Preset:
        """The preset.

        Raises:
            OptionError: there is none of that name.
            InputError: the file of presets is not right.
        """
        from emotrace.postprocess.presets import find_preset

        return find_preset(self.preset, self.presets)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a smoother works; the library knows the defaults."""

    window: Annotated[
        int | None, open_option("--window", "N", "Frames of vote or median.", "5; 25 for the median")
    ] = None
    alpha: Annotated[
        float | None, open_option("--alpha", "0..1", "Weight of the newest frame in ewma.", "0.3")
    ] = None
    dwell: Annotated[
        float | None,
        open_option(
            "--dwell", "SECONDS", "Expected time in one emotion, for hmm, hmm-online and viterbi.", "8"
        ),
    ] = None
    evidence: Annotated[
        float | None,
        open_option(
            "--evidence",
            "N",
            "How many independent observations a second is worth, for hmm, hmm-online and viterbi; more "
            "follows changes sooner, and flickers more.",
            "3 for hmm, 7 for viterbi, 12 for hmm-online",
        ),
    ] = None
    lag: Annotated[
        float | None, open_option("--lag", "SECONDS", "Time that hmm-online looks ahead.", "0.5")
    ] = None
    trend: Annotated[
        float | None,
        open_option(
            "--trend",
            "SECONDS",
            "How far hmm-online carries each frame on along its slope, which announces a change; 0 is off.",
            "what --lag falls short of 0.3",
        ),
    ] = None
