"""``emotrace smooth``: a list of frames with less flicker."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emotrace.postprocess.tracks import FrameList

STDIO = Path("-")

EXAMPLES = """\b
Examples:
  emotrace smooth voting frames.json
  emotrace smooth ewma frames.json smoothed.json --alpha 0.1
  emotrace analyze talk.wav --granularity frame --json | emotrace smooth hmm - -
"""


class Method(str, Enum):
    """What can be asked for; ``voting`` is the classic name of the vote."""

    vote = "vote"
    voting = "voting"
    ewma = "ewma"
    median = "median"
    hmm = "hmm"
    hmm_online = "hmm-online"
    viterbi = "viterbi"


def _option(help_text: str, metavar: str, default: str) -> Any:
    return typer.Option(metavar=metavar, help=f"{help_text} [default: {default}]", show_default=False)


def smooth(
    method: Annotated[
        Method,
        typer.Argument(
            metavar="METHOD",
            help="vote (or voting), ewma and median look at a few frames; hmm (a hidden Markov chain) and "
            "viterbi at all of them; hmm-online at those before and a little after.",
            show_default=False,
        ),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A list of frames: frames.json, or what analyze --granularity frame --json gives; - for "
            "standard input.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="The file to write; - for standard output.")
    ] = Path("smoothed_result.json"),
    window: Annotated[
        int | None, _option("Frames that vote, or of a median.", "N", "5; 25 for the median")
    ] = None,
    step: Annotated[int | None, _option("Frames from one vote to the next.", "N", "1")] = None,
    alpha: Annotated[float | None, _option("Weight of the newest frame in ewma.", "0..1", "0.3")] = None,
    dwell: Annotated[
        float | None, _option("Expected time in one emotion, for hmm, hmm-online, viterbi.", "SECONDS", "8")
    ] = None,
    lag: Annotated[float | None, _option("Time that hmm-online looks ahead.", "SECONDS", "0.5")] = None,
) -> None:
    """Smooth a list of frames.

    Reads English and Chinese labels. Writes frames of the same shape, with all_scores for every method but
    the vote, and prints the emotion of the whole.
    """
    from emotrace.postprocess.options import SmoothingOptions
    from emotrace.postprocess.tracks import smooth_frames

    name = "vote" if method is Method.voting else method.value
    given = {"window": window, "step": step, "alpha": alpha, "dwell": dwell, "lag": lag}
    options = SmoothingOptions.of(
        method=name, **{key: value for key, value in given.items() if value is not None}
    )
    if output != STDIO:
        from emotrace.outputs.writing import check_file

        check_file(output)
    frames = _read(source)
    smoothed = smooth_frames(frames, options)
    _write(output, frames, smoothed, name)


def _read(source: Path) -> FrameList:
    """The frames of a file.

    Raises:
        InputError: there is no such file, or it holds no frames.
    """
    import json

    from emotrace.errors import InputError
    from emotrace.postprocess.tracks import read_frames

    label = "standard input" if source == STDIO else repr(str(source))
    try:
        content = sys.stdin.buffer.read() if source == STDIO else source.read_bytes()
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        raise InputError(f"{label} cannot be read: {reason}; expected a JSON file of frames") from problem
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise InputError(f"{label} is not text in UTF-8; expected a JSON file of frames") from problem
    except (ValueError, RecursionError) as problem:
        hint = "several results came, give one" if "Extra data" in str(problem) else str(problem)
        raise InputError(f"{label} is not one JSON value: {hint}; expected a list of frames") from problem
    try:
        return read_frames(document)
    except InputError as problem:  # also a LabelError
        raise type(problem)(f"{label}: {problem}") from problem


def _write(output: Path, frames: Any, smoothed: Any, method: str) -> None:
    from emotrace.outputs.records import write_list
    from emotrace.outputs.writing import replacing
    from emotrace.postprocess.methods import utterance_by_last, utterance_by_vote
    from emotrace.postprocess.tracks import smoothed_records

    records = smoothed_records(frames, smoothed, method)
    if output == STDIO:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")
        write_list(sys.stdout, records, ",\n")
        sys.stdout.write("\n")
        return
    with replacing(output) as temporary, temporary.open("w", encoding="utf-8") as file:
        write_list(file, records, ",\n")
        file.write("\n")
    emotion, score = (utterance_by_last if method == "ewma" else utterance_by_vote)(smoothed.rows)
    typer.echo(f"{emotion} {score:.3f} ({len(smoothed.rows)} frames in {output})")
