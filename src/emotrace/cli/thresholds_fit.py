"""``emotrace thresholds fit``: thresholds found on labelled clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli import exit_codes
from emotrace.cli.groups import with_groups
from emotrace.cli.messages import hush, print_json, tell, tell_failures
from emotrace.cli.options import JsonText, Model, PresetFile, Threads
from emotrace.cli.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotrace.postprocess.presets import Preset
    from emotrace.postprocess.thresholds import Goal, ThresholdFit
    from emotrace.results import Failure

EXAMPLES = """\b
Examples:
  emotrace thresholds fit clips.csv --precision 0.9 --out calls.toml
  emotrace thresholds fit clips.csv --coverage 0.8 --plot trade-off.png
  emotrace filter outputs --presets calls.toml --preset calls
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the thresholds shall reach."""

    precision: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="At least so many of those kept are right.", show_default=False),
    ] = None
    coverage: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="At least so many of all are kept.", show_default=False),
    ] = None
    gap: Annotated[bool, typer.Option("--gap", help="Find a threshold for the gap, too.")] = False

    def goal(self) -> Goal:
        """The same for the library.

        Raises:
            OptionError: not exactly one of precision and coverage is given, or it is out of range.
        """
        from emotrace.postprocess.thresholds import Goal

        return Goal.of(self.precision, self.coverage, self.gap)


@dataclass(frozen=True, slots=True)
class Files:
    """What is written, besides what is printed."""

    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a preset to this TOML file.", show_default=False),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What the preset is called. [default: as its file]", show_default=False
        ),
    ] = None
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the trade-off as CSV.", show_default=False)
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the trade-off to a .png or .svg file; needs the extra 'plot'.",
            show_default=False,
        ),
    ] = None

    @property
    def title(self) -> str:
        """Name of the preset."""
        return self.name or (self.out.stem if self.out else "")

    def check(self) -> None:
        """Find out now, not after hours, what cannot be written.

        Raises:
            OptionError: a name is none, or a preset of that name is there already.
            OutputError: a file cannot be written.
        """
        from emotrace.outputs.picture import check_picture
        from emotrace.outputs.threshold_report import check_preset
        from emotrace.outputs.writing import check_file

        if self.out is not None:
            check_preset(self.out, self.title)
        if self.csv is not None:
            check_file(self.csv)
        if self.plot is not None:
            check_picture(self.plot)
            hush("matplotlib")
            check_file(self.plot)

    def write(self, found: ThresholdFit, goal: Goal, base: Preset, about: str) -> None:
        """Write what was asked for.

        Args:
            found: the thresholds.
            goal: what they were to reach.
            base: the preset that is changed.
            about: description of the new one.
        """
        from emotrace.outputs.threshold_report import save_curve, write_curve, write_preset

        if self.csv is not None:
            write_curve(self.csv, found)
        if self.plot is not None:
            save_curve(self.plot, found, goal)
        if self.out is not None:
            write_preset(self.out, self.title, found, base, about)
            tell(
                f"the preset {self.title!r} is written to {str(self.out)!r}; use it with --presets and "
                "--preset"
            )


@with_groups
def fit(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="CSV or JSON Lines: file, label and perhaps speaker, split, scores.",
            show_default=False,
            readable=False,
        ),
    ],
    *,
    wanted: Wanted,
    preset: Annotated[str, typer.Option(metavar="NAME", help="The rules that are changed.")] = "classic",
    presets: PresetFile = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What `emotrace analyze --json` printed of these files; nothing is recognised then.",
            show_default=False,
        ),
    ] = None,
    files: Files,
    model: Model = "auto",
    threads: Threads = 0,
    json: JsonText = False,
) -> None:
    """Find thresholds on labelled clips.

    Of all thresholds of the confidence, the one that keeps most at the wanted precision, or is right most
    often at the wanted coverage. Rows whose split is "test" are left out. A clip that cannot be recognised
    counts neither as right nor as wrong.
    """
    from emotrace.outputs.threshold_report import fit_record
    from emotrace.postprocess.labelled import read_scores
    from emotrace.postprocess.presets import find_preset
    from emotrace.postprocess.thresholds import fit_thresholds

    goal, base = wanted.goal(), find_preset(preset, presets)
    files.check()
    clips, left_out = _clips(manifest)
    known = None if scores is None else read_scores(scores)
    scored, failures = _scored(clips, known, model, threads)
    _tell_failures(failures, len(clips))
    codes = [failure.code for failure in failures]
    if not len(scored) and failures:
        raise typer.Exit(exit_codes.of_run(0, codes))
    found = fit_thresholds(scored, goal, base.rules)
    if json:
        print_json(fit_record(found, goal, failures, left_out))
    else:
        typer.echo("\n".join(_lines(found)))
    _tell_doubts(found, goal)
    files.write(found, goal, base, _about(found, goal, manifest))
    raise typer.Exit(exit_codes.of_run(len(scored), codes))


def _clips(manifest: Path) -> tuple[Sequence[Any], int]:
    from emotrace.errors import InputError
    from emotrace.postprocess.labelled import TRAIN_SPLITS, read_clips

    listed = read_clips(manifest)
    if listed.left_out:
        tell(f"{listed.left_out} rows of a test split were left out")
    if not listed.clips:
        what = "only rows of a test split" if listed.left_out else "no row"
        raise InputError(f"{str(manifest)!r} holds {what}; expected labelled clips to find thresholds on")
    trained = sum(clip.split.casefold() in TRAIN_SPLITS for clip in listed.clips)
    if trained:
        tell(
            f"{trained} rows are of a train split: a model that has seen them is surer of them than of others"
        )
    return listed.clips, listed.left_out


def _scored(clips: Any, known: Any, model: str, threads: int) -> Any:
    from emotrace.postprocess.scoring import score_clips
    from emotrace.recognition import Recognizer

    with Steps() as steps:
        return score_clips(
            clips, scores=known, recognizer=lambda: Recognizer(model, threads=threads), on_progress=steps
        )


def _tell_failures(failures: Sequence[Failure], total: int) -> None:
    tell_failures(failures)
    if failures:
        tell(f"{len(failures)} of {total} clips gave no result; they count neither as right nor as wrong")


def _tell_doubts(fit: ThresholdFit, goal: Goal) -> None:
    """Say it if the threshold promises more than it held on clips that had no part in its choice."""
    precision = fit.held_out[0]
    if goal.precision is not None and not precision >= goal.precision:
        who = "speakers" if fit.speakers > 1 else "clips"
        tell(
            f"on {who} that had no part in the choice the precision was {precision:.3f}, not "
            f"{goal.precision:g}: give more {who}, or ask for more than you need"
        )


def _lines(fit: ThresholdFit) -> Iterator[str]:
    chosen = fit.chosen
    low, high = chosen.interval
    precision, coverage = fit.held_out
    speakers = f" of {fit.speakers} speakers" if fit.speakers else ""
    yield f"clips           {fit.clips}{speakers}, {fit.accuracy:.1%} right"
    yield f"min_confidence  {chosen.min_confidence:g}"
    yield f"min_gap         {fit.min_gap:g}"
    yield f"precision       {chosen.precision:.3f} [{low:.3f}, {high:.3f}] (95 % over {fit.interval_over})"
    yield f"coverage        {chosen.coverage:.3f} ({chosen.kept} kept, {chosen.right} right)"
    yield f"held out        precision {precision:.3f}, coverage {coverage:.3f}"
    yield ""
    yield "min_confidence  coverage  precision  95 %              kept"
    for point in fit.curve:
        low, high = point.interval
        yield (
            f"{point.min_confidence:<14g}  {point.coverage:8.3f}  {point.precision:9.3f}  "
            f"[{low:.3f}, {high:.3f}]  {point.kept:6d}"
        )


def _about(fit: ThresholdFit, goal: Goal, manifest: Path) -> str:
    wanted = f"precision {goal.precision:g}" if goal.precision is not None else f"coverage {goal.coverage:g}"
    low, high = fit.chosen.interval
    name = "".join(c if c.isprintable() else "?" for c in manifest.name)
    return (
        f"{wanted} on {fit.clips} clips of {name}: precision {fit.chosen.precision:.3f} "
        f"[{low:.3f}, {high:.3f}], coverage {fit.chosen.coverage:.3f}"
    )
