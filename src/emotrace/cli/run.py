"""``emotrace run``: the classic pipeline in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.amounts import counted
from emotrace.cli.groups import with_groups
from emotrace.cli.messages import print_json, tell
from emotrace.cli.options import (
    Backend,
    Decoding,
    JsonSummary,
    Judging,
    Progress,
    Smooth,
    Strict,
    Workers,
    language_option,
    open_option,
)
from emotrace.cli.request import Request
from emotrace.cli.texts import Language, language_of

if TYPE_CHECKING:
    from emotrace.batch.onekey import Delivery
    from emotrace.batch.options import BatchReport

EXAMPLES = """\b
Examples:
  emotrace run calls/
  emotrace run calls/ --out report --preset customer-service --lang zh
"""


@with_groups
def run(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Recordings, with all folders below.", show_default=False),
    ],
    *,
    out: Annotated[
        Path | None,
        open_option("--out", "DIR", "Output folder; given again, the run goes on in it.", "outputs/run_NAME"),
    ] = None,
    smooth: Smooth = "viterbi",
    judging: Judging,
    strict: Strict = False,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="No processed_audio.wav in the result folders.")
    ] = False,
    lang: Annotated[Language | None, language_option("the reports")] = None,
    backend: Backend,
    decoding: Decoding,
    workers: Workers = 0,
    progress: Progress = "bar",
    json: JsonSummary = False,
) -> None:
    """Check, recognise, smooth, judge and sort all recordings of a folder, and write a report.

    In the output folder: normal/ and low_quality/ with a result folder for each recording, report.html (one
    page with charts, players and reasons), quality_report.txt, results.csv, results.jsonl and summary.json.
    Stopped or killed, the same command goes on.
    """
    from emotrace.batch.onekey import Delivery
    from emotrace.errors import InputError, OptionError

    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise InputError(f"{str(folder)!r} {what}; expected a folder of recordings")
    request = Request([str(folder)], smooth=smooth, judging=judging, backend=backend, decoding=decoding)
    name = folder.resolve().name or "root"
    language = lang or language_of()
    delivery = Delivery(judging.find(), name, strict, not no_audio, language.value)
    place = out or Path("outputs") / f"run_{name}"
    if place.resolve() == folder.resolve():
        raise OptionError(f"--out {str(place)!r} is the folder of the recordings; choose another")
    raise typer.Exit(_run(request, place, delivery, workers, progress, json))


def _run(request: Request, out: Path, delivery: Delivery, workers: int, progress: str, json: bool) -> int:
    from emotrace.batch.manifests import jobs_of
    from emotrace.batch.onekey import run_all
    from emotrace.batch.options import BatchOptions
    from emotrace.cli.batch import code_of, make_engine, tell_oddities
    from emotrace.cli.batch_progress import BatchWatch

    engine = make_engine(request, workers)
    with BatchWatch(progress) as watch:
        report = run_all(
            jobs_of(request.inputs, str(out)),
            out,
            engine,
            BatchOptions(embedding=False),
            delivery,
            on_progress=watch.update,
            on_failure=watch.failed,
        )
    if tell_oddities(report, out):
        _tell_result(report, out, json)
    return code_of(report)


def _tell_result(report: BatchReport, out: Path, json: bool) -> None:
    from emotrace.batch.onekey import REPORT_FILE

    record = report.record
    if json:
        print_json(record)
        return
    typer.echo(
        f"{counted(record['total_files'], 'recording')}: {record['normal']} normal, "
        f"{record['low_quality']} of low quality, {record['failed']} failed"
    )
    tell(f"the report is {str(out / REPORT_FILE)!r}")
