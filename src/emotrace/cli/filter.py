"""``emotrace filter``: result folders sorted into normal and low quality."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli import exit_codes
from emotrace.cli.groups import given, with_groups
from emotrace.cli.messages import print_json, tell, tell_failures
from emotrace.cli.options import Judging, Strict, language_option, open_option
from emotrace.cli.progress import Steps
from emotrace.cli.texts import Language, language_of

if TYPE_CHECKING:
    from emotrace.outputs.sorting_plan import Sorted, Sorting
    from emotrace.postprocess.presets import Preset

EXAMPLES = """\b
Examples:
  emotrace filter outputs --dry-run
  emotrace filter outputs
  emotrace filter outputs --preset customer-service --copy --into sorted
  emotrace filter outputs --undo
"""


_CLASSIC = Judging(preset="classic")


@dataclass(frozen=True, slots=True)
class Changes:
    """Limits that go before those of the preset."""

    min_confidence: Annotated[
        float | None, open_option("--min-confidence", "SHARE", "Lower is low confidence.", "the preset's")
    ] = None
    min_gap: Annotated[
        float | None,
        open_option(
            "--min-gap", "SHARE", "Less between the two likeliest emotions is ambiguous.", "the preset's"
        ),
    ] = None
    min_top_score: Annotated[
        float | None,
        open_option(
            "--min-top-score", "SHARE", "If all scores are lower, no emotion is clear.", "the preset's"
        ),
    ] = None


@with_groups
def filter_results(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="ROOT",
            help="The folder that holds the outputs_* folders.",
            show_default=False,
            readable=False,
        ),
    ],
    *,
    judging: Judging = _CLASSIC,
    changes: Changes,
    strict: Strict = False,
    into: Annotated[
        Path | None,
        open_option("--into", "DIR", "Make normal/ and low_quality/ there, on any file system.", "ROOT"),
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Leave the folders where they are; sort copies.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the report; change nothing.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the last run that changed something.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    lang: Annotated[Language | None, language_option("the text report")] = None,
) -> None:
    """Sort result folders by quality.

    Every outputs_* folder in ROOT is moved into ROOT/normal or ROOT/low_quality, and quality_report.txt,
    .json and .csv say why. Those sorted before are judged again. A result that cannot be read stays where
    it is. A run that was cut off is finished by the next one.
    """
    from emotrace.errors import OptionError
    from emotrace.outputs.sorting_plan import Sorting

    changed = changes != Changes()
    if undo and (dry_run or copy or strict or changed or judging.preset != _CLASSIC.preset):
        raise OptionError("--undo takes the last run back; expected ROOT and --into alone with it")
    chosen = judging.find()
    if changed:
        chosen = replace(chosen, rules=chosen.rules.with_changes(**given(changes)))
    sorting = Sorting(root, chosen.rules, into, copy, strict)
    if undo:
        raise typer.Exit(_undo(sorting, json))
    raise typer.Exit(_sort(sorting, chosen, dry_run, json, lang or language_of()))


def _sort(sorting: Sorting, preset: Preset, dry_run: bool, json: bool, language: Language) -> int:
    from emotrace.outputs.quality_report import report_record, text_lines, total_lines, write_reports
    from emotrace.outputs.sorting import REPORT_FILES, sort_results

    with Steps() as steps:
        items = sort_results(sorting, dry_run=dry_run, on_progress=steps)
    report = sorting.target / REPORT_FILES[0]
    written = not dry_run and (bool(items) or report.exists())
    if written:
        write_reports(sorting.target, items, preset, language.value)
    if json:
        print_json(report_record(items, preset, actions=True))
    elif dry_run:
        typer.echo("\n".join(text_lines(items, preset, language.value)))
    else:
        typer.echo("\n".join(total_lines(items, language.value)))
    if not items:
        tell(f"there is no result folder (outputs_*) in {str(sorting.root)!r}")
    elif written and not json:
        tell(f"the report is {str(report)!r}")
    return _told(items)


def _told(items: list[Sorted]) -> int:
    """Say what failed; the exit code."""
    failures = [item.failure for item in items if item.failure is not None]
    tell_failures(failures, "; the report lists them all")
    return exit_codes.of_run(len(items) - len(failures), [failure.code for failure in failures])


def _undo(sorting: Sorting, json: bool) -> int:
    from emotrace.outputs.sorting import undo_sorting

    with Steps() as steps:
        back, failures = undo_sorting(sorting, on_progress=steps)
    if json:
        rows = [{"folder": failure.source, "reason": failure.reason} for failure in failures]
        print_json({"undone": back, "failures": rows})
    else:
        typer.echo(f"undone: {back}")
    for failure in failures:
        tell(failure.reason)
    return exit_codes.of_run(back, [failure.code for failure in failures])
