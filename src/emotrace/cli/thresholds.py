"""``emotrace thresholds``: the rule sets, and thresholds found on labelled clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli import exit_codes
from emotrace.cli.messages import hush, print_json, tell
from emotrace.cli.options import JsonText, Model, PresetFile, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emotrace.postprocess.thresholds import Goal, ThresholdFit
    from emotrace.results import Failure

app = typer.Typer(help="Show the rules of a verdict, and find thresholds on labelled clips.")

EXAMPLES = """\b
Examples:
  emotrace thresholds fit clips.csv --precision 0.9 --out calls.toml
  emotrace thresholds fit clips.csv --coverage 0.8 --plot trade-off.png
  emotrace filter outputs --presets calls.toml --preset calls
"""


@app.callback(invoke_without_command=True)
def _thresholds(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_presets()


@app.command("list")
def list_presets(presets: PresetFile = None, json: JsonText = False) -> None:
    """List the presets and their thresholds.

    Your own presets stand in presets.toml in the folder that EMOTRACE_HOME names (see `emotrace doctor`).
    """
    from emotrace.postprocess.presets import presets as all_presets

    found = all_presets(presets)
    if json:
        from emotrace.outputs.records import dumps

        rows = {
            name: {
                "description": preset.description,
                "origin": preset.origin or None,
                **preset.rules.model_dump(),
                "drop": sorted(preset.rules.drop),
            }
            for name, preset in found.items()
        }
        typer.echo(dumps(rows).encode("utf-8"))
        return
    names = list(found)
    width = max(map(len, names)) + 2
    for name, preset in found.items():
        typer.echo(f"{name:<{width}}{preset.description}{f' ({preset.origin})' if preset.origin else ''}")
        values = preset.rules.model_dump(exclude={"drop"})
        for key, value in values.items():
            typer.echo(f"  {key:<24} {'off' if value is None else f'{value:g}'}")
        typer.echo(f"  {'drop':<24} {', '.join(sorted(preset.rules.drop))}")


@app.command("fit", epilog=f"{EXAMPLES}\n{exit_codes.epilog()}")
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
    precision: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="At least so many of those kept are right.", show_default=False),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="At least so many of all are kept.", show_default=False),
    ] = None,
    gap: Annotated[bool, typer.Option("--gap", help="Find a threshold for the gap, too.")] = False,
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
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a preset to this TOML file.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What the preset is called. [default: as its file]", show_default=False
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the trade-off as CSV.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the trade-off to a .png or .svg file; needs the extra 'plot'.",
            show_default=False,
        ),
    ] = None,
    model: Model = "auto",
    threads: Threads = 0,
    json: JsonText = False,
) -> None:
    """Find thresholds on labelled clips.

    Of all thresholds of the confidence, the one that keeps most at the wanted precision, or is right most
    often at the wanted coverage. Rows whose split is "test" are left out. A clip that cannot be recognised
    counts neither as right nor as wrong.
    """
    from emotrace.outputs.picture import check_picture
    from emotrace.outputs.threshold_report import (
        check_preset,
        fit_record,
        save_curve,
        write_curve,
        write_preset,
    )
    from emotrace.outputs.writing import check_file
    from emotrace.postprocess.labelled import read_scores
    from emotrace.postprocess.presets import find_preset
    from emotrace.postprocess.thresholds import Goal, fit_thresholds

    goal = Goal.of(precision, coverage, gap)
    base = find_preset(preset, presets)
    if out is not None:
        check_preset(out, name or out.stem)
    if csv is not None:
        check_file(csv)
    if plot is not None:
        check_picture(plot)
        hush("matplotlib")
        check_file(plot)
    clips, left_out = _clips(manifest)
    known = None if scores is None else read_scores(scores)
    scored, failures = _scored(clips, known, model, threads)
    _tell_failures(failures, len(clips))
    if not len(scored) and failures:
        raise typer.Exit(exit_codes.of_run(0, [failure.code for failure in failures]))
    found = fit_thresholds(scored, goal, base.rules)
    if json:
        print_json(fit_record(found, goal, failures, left_out))
    else:
        typer.echo("\n".join(_lines(found)))
    _tell_doubts(found, goal)
    if csv is not None:
        write_curve(csv, found)
    if plot is not None:
        save_curve(plot, found, goal)
    if out is not None:
        title = name or out.stem
        write_preset(out, title, found, base, _about(found, goal, manifest))
        tell(f"the preset {title!r} is written to {str(out)!r}; use it with --presets and --preset")
    raise typer.Exit(exit_codes.of_run(len(scored), [failure.code for failure in failures]))


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
    from emotrace.cli.progress import Watch
    from emotrace.postprocess.scoring import score_clips
    from emotrace.recognition import Recognizer

    watch = Watch(1)
    watch.begin("recognise", float(len(clips)))
    try:
        return score_clips(
            clips,
            scores=known,
            recognizer=lambda: Recognizer(model, threads=threads),
            on_progress=watch.update if watch.enabled else None,
        )
    finally:
        watch.close()


def _tell_failures(failures: Sequence[Failure], total: int) -> None:
    for failure in failures[:20]:
        named = repr(failure.source) in failure.reason
        tell(failure.reason if named else f"{failure.source}: {failure.reason}")
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
