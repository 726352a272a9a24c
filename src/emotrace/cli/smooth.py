"""``emotrace smooth``: a list of frames with less flicker."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli.amounts import counted, shown_bytes
from emotrace.cli.groups import given, with_groups
from emotrace.cli.options import Smoother, Tuning, method_of, open_option

if TYPE_CHECKING:
    from emotrace.postprocess.tracks import FrameList

STDIO = Path("-")

MOST_BYTES = 2**30
"""A million frames with all their scores are a third of that; a device that never ends is stopped here."""

EXAMPLES = """\b
Examples:
  emotrace smooth voting frames.json
  emotrace smooth ewma frames.json smoothed.json --alpha 0.1
  emotrace analyze talk.wav --granularity frame --json | emotrace smooth hmm - -
"""


@with_groups
def smooth(
    method: Annotated[
        Smoother,
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
            readable=False,
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="The file to write; - for standard output.")
    ] = Path("smoothed_result.json"),
    *,
    step: Annotated[int | None, open_option("--step", "N", "Frames from one vote to the next.", "1")] = None,
    tuning: Tuning,
) -> None:
    """Smooth a list of frames.

    Reads English and Chinese labels. Writes frames of the same shape, with all_scores for every method but
    the vote, and prints the emotion of the whole.
    """
    from emotrace.postprocess.options import SmoothingOptions
    from emotrace.postprocess.tracks import smooth_frames

    name = method_of(method)
    steps = {} if step is None else {"step": step}
    options = SmoothingOptions.of(method=name, **steps, **given(tuning))
    if output != STDIO:
        from emotrace.outputs.writing import check_file

        check_file(output)
    frames = _read(source)
    smoothed = smooth_frames(frames, options)
    _write(output, frames, smoothed, options.method)


def _read(source: Path) -> FrameList:
    """The frames of a file.

    Raises:
        InputError: there is no such file, or it holds no frames.
    """
    import json

    from emotrace.errors import InputError
    from emotrace.postprocess.files import read_past
    from emotrace.postprocess.tracks import read_frames

    label = "standard input" if source == STDIO else repr(str(source))
    if source == STDIO and sys.stdin is None:
        raise InputError(f"{label} is closed; expected a list of frames on it")
    try:
        with nullcontext(sys.stdin.buffer) if source == STDIO else source.open("rb") as file:
            content = read_past(file, MOST_BYTES)
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        raise InputError(f"{label} cannot be read: {reason}; expected a JSON file of frames") from problem
    if len(content) > MOST_BYTES:
        raise InputError(
            f"{label} is over {shown_bytes(MOST_BYTES)} long; expected frames, in parts if need be"
        )
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
    typer.echo(f"{emotion} {score:.3f} ({counted(len(smoothed.rows), 'frame')} in {output})")
