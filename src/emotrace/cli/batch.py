"""``emotrace batch``: thousands of recordings, resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from emotrace.cli import exit_codes
from emotrace.cli.amounts import counted
from emotrace.cli.groups import flat, with_groups
from emotrace.cli.messages import print_json, tell
from emotrace.cli.options import (
    Backend,
    Decoding,
    JsonSummary,
    Judging,
    Progress,
    Smooth,
    WholeSeconds,
    Workers,
    open_option,
)
from emotrace.cli.request import Request, split_names

if TYPE_CHECKING:
    from emotrace.batch.engine import Engine, LocalEngine
    from emotrace.batch.options import BatchOptions, BatchReport
    from emotrace.batch.ray_engine import RayOptions

EXAMPLES = """\b
Examples:
  emotrace batch calls/ --out results
  emotrace batch 'calls/**/*.mp3' more/ --out results --format parquet --format classic
  emotrace batch segments.csv --out results --smooth hmm
  find . -name '*.wav' -print0 | emotrace batch - --out results
  emotrace batch s3://bucket/calls/ --out results --engine ray --address auto
"""


def make_engine(request: Request, workers: int) -> LocalEngine:
    """The engine that a request asks for."""
    from emotrace.batch.engine import local_engine
    from emotrace.cli.messages import bug

    return local_engine(**flat(request.backend), options=request.options(), workers=workers, on_bug=bug)


def make_ray_engine(request: Request, use: RayOptions) -> Engine:
    """The engine on a Ray cluster that a request asks for."""
    from emotrace.batch.ray_engine import ray_engine
    from emotrace.cli.messages import bug

    return ray_engine(**flat(request.backend), options=request.options(), use=use, on_bug=bug)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Who does the work."""

    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(metavar="local|ray", help="Who does the work: this machine, or a Ray cluster."),
    ] = "local"
    address: Annotated[
        str | None,
        open_option(
            "--address",
            "HOST:PORT",
            "Ray cluster; auto is the one this machine belongs to.",
            "one on this machine",
        ),
    ] = None
    min_workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Ray: workers to begin with; up to --workers if the cluster grows. 0: what fits.",
        ),
    ] = 0
    worker_cpus: Annotated[
        float, typer.Option(metavar="N", help="Ray: processors that each worker takes.")
    ] = 1.0
    worker_gpus: Annotated[
        float, typer.Option(metavar="N", help="Ray: GPUs that each worker takes; 0.5 lets two share one.")
    ] = 0.0

    def check(self) -> None:
        """Refuse options that would have no effect.

        Raises:
            OptionError: they would not.
        """
        if self.engine == "local" and self != EngineChoice():
            from emotrace.errors import OptionError

            raise OptionError(
                "--address, --min-workers, --worker-cpus and --worker-gpus have no effect without "
                "--engine ray"
            )

    def make(self, request: Request, workers: int) -> Engine:
        """The engine.

        Args:
            request: what is asked of each recording.
            workers: recordings at the same time.
        """
        if self.engine == "local":
            return make_engine(request, workers)
        from emotrace.batch.ray_engine import RayOptions

        use = RayOptions(self.address, workers, self.min_workers, self.worker_cpus, self.worker_gpus)
        return make_ray_engine(request, use)


@with_groups
def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Recordings, folders with all below, quoted patterns; lists (.txt), tables (.csv, .tsv, "
            ".jsonl, .parquet) with a column file and perhaps start and end in seconds; - is a list on "
            "standard input. All but the last also in object stores (s3://bucket/calls/).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Output folder; given again, the batch goes on in it.", show_default=False
        ),
    ],
    *,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME[,NAME]",
            help="What is written: parquet, csv, jsonl, classic; rttm, textgrid, elan, webvtt (a file for "
            "each recording), audformat (a database); can be given again and again. [default: csv, jsonl, "
            "and parquet if pyarrow is there]",
            show_default=False,
        ),
    ] = None,
    no_embedding: Annotated[
        bool, typer.Option("--no-embedding", help="Do not keep embeddings, which are most of the bytes.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do again what failed before.")
    ] = False,
    max_consecutive_failures: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Stop after N failures in a row; 0 is never. [default: 10 that are no fault of the inputs, "
            "such as a broken model]",
            show_default=False,
        ),
    ] = None,
    workers: Workers = 0,
    choice: EngineChoice,
    progress: Progress = "bar",
    json: JsonSummary = False,
    granularity: Annotated[
        Literal["utterance", "segment"],
        typer.Option(
            metavar="utterance|segment",
            help="One emotion for all, or one for each stretch between pauses too.",
        ),
    ] = "utterance",
    smooth: Smooth = "none",
    judging: Judging,
    no_checks: Annotated[bool, typer.Option("--no-checks", help="Leave out the signal checks.")] = False,
    backend: Backend,
    whole_seconds: WholeSeconds = 30.0,
    decoding: Decoding,
) -> None:
    """Recognise any number of recordings; stopped or killed, the same command goes on.

    Every input ends as one result or one error with its reason, in results.parquet, results.csv,
    results.jsonl and summary.json in DIR. A file that cannot be used does not stop the others. Results of
    another model or other options are never mixed in: choose another DIR for them.
    """
    from emotrace.batch.options import BatchOptions

    choice.check()
    request = Request(
        inputs,
        granularity=granularity,
        smooth=smooth,
        judging=judging,
        no_checks=no_checks,
        backend=backend,
        whole_seconds=whole_seconds,
        decoding=decoding,
    )
    options = BatchOptions(_formats(form), not no_embedding, retry_failed, max_consecutive_failures)
    raise typer.Exit(_run(request, out, options, partial(choice.make, request, workers), progress, json))


def _run(
    request: Request,
    out: Path,
    options: BatchOptions,
    make: Callable[[], Engine],
    progress: str,
    json: bool,
) -> int:
    from emotrace.batch.manifests import jobs_of
    from emotrace.batch.runner import run_batch
    from emotrace.cli.batch_progress import BatchWatch

    jobs = jobs_of(request.inputs, str(out), _stdin(request.inputs))
    with BatchWatch(progress) as watch:
        report = run_batch(jobs, out, make(), options, on_progress=watch.update, on_failure=watch.failed)
    if tell_oddities(report, out):
        _tell_result(report, out, json)
    return code_of(report)


def code_of(report: BatchReport) -> int:
    """The exit code of a batch."""
    if report.stopped is not None:
        return exit_codes.STOPPED
    return exit_codes.of_run(report.record["succeeded"], [failure["code"] for failure in report.failures])


def tell_oddities(report: BatchReport, out: Path) -> bool:
    """Say what was not as usual in a batch, and return whether it came to its end."""
    if report.damaged:
        tell(f"{report.damaged} lines of the log of {str(out)!r} were damaged; their inputs were done again")
    if report.stopped is not None:
        tell(f"stopped: {report.stopped} (the same command goes on)")
        return False
    if report.twice:
        tell(f"{report.twice} inputs were given again; each is done once")
    if report.left_out:
        tell(f"{report.left_out} earlier results are of inputs that were not given this time; left out")
    return True


def _tell_result(report: BatchReport, out: Path, json: bool) -> None:
    record = report.record
    if json:
        print_json(record)
        return
    earlier = record["total_files"] - record["done_now"]
    before = f", {earlier} of them finished before" if earlier else ""
    inputs, results = counted(record["total_files"], "input"), counted(record["succeeded"], "result")
    typer.echo(f"{inputs}{before}: {results}, {record['failed']} failed")
    tell(f"written to {str(out)!r}: {', '.join(report.outputs)}")


def _formats(given: list[str] | None) -> tuple[str, ...]:
    from emotrace.batch.sinks import parquet_is_there

    if given:
        return split_names(given)
    if parquet_is_there():
        return ("parquet", "csv", "jsonl")
    tell("no Parquet without pyarrow: pip install 'emotrace[analysis]'")
    return ("csv", "jsonl")


def _stdin(inputs: list[str]) -> BinaryIO | None:
    import sys

    from emotrace.errors import InputError, OptionError

    if "-" not in inputs:
        return None
    if inputs.count("-") > 1:
        raise OptionError("standard input ('-') was given twice; it can be read once")
    if sys.stdin is None:
        raise InputError("standard input is closed; expected a list of recordings on it")
    return sys.stdin.buffer
