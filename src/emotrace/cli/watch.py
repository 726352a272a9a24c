"""``emotrace watch``: a drop folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli import exit_codes
from emotrace.cli.groups import with_groups
from emotrace.cli.messages import one_line, tell
from emotrace.cli.options import Backend, Decoding, Judging, Smooth, Workers
from emotrace.cli.request import Request

if TYPE_CHECKING:
    from emotrace.batch.drop_folder import Watching
    from emotrace.batch.entries import Entry
    from emotrace.results import Failure

EXAMPLES = """\b
Examples:
  emotrace watch incoming/ --out results
  emotrace watch incoming/ --out results --json | my-program
  emotrace watch incoming/ --out results --once
"""


@with_groups
def watch(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="What is put into it or below is recognised.",
            show_default=False,
            readable=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Output folder; given again, watching goes on.", show_default=False),
    ],
    *,
    settle: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="A file is complete if it has not changed for so long."),
    ] = 2.0,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", help="From one look into the folder to the next.")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="End when everything that is there has been recognised.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each result as a line of JSON.")] = False,
    smooth: Smooth = "none",
    judging: Judging,
    backend: Backend,
    decoding: Decoding,
    workers: Workers = 0,
) -> None:
    """Recognise what comes into a folder, each file once, when it is completely written.

    Results are in results.jsonl and, one by one, in results/PATH.json of the output folder. A file that is
    replaced is recognised anew; hidden files and what is no audio file by its name are left alone. Ctrl-C or
    SIGTERM ends it; started again, it goes on, also after a kill.
    """
    from emotrace.batch.drop_folder import Watching
    from emotrace.errors import OptionError

    for name, value in (("settle", settle), ("interval", interval)):
        if not 0 <= value <= 3600:
            raise OptionError(f"--{name} is {value:g}; expected 0 to 3600 seconds")
    request = Request([str(folder)], smooth=smooth, judging=judging, backend=backend, decoding=decoding)
    watching = Watching(str(folder), settle, interval, once)
    raise typer.Exit(_watch(request, watching, out, workers, json))


def _watch(request: Request, watching: Watching, out: Path, workers: int, json: bool) -> int:
    from emotrace.batch.drop_folder import watch
    from emotrace.batch.entries import failed
    from emotrace.cli.batch import make_engine

    failures: list[str] = []
    succeeded = 0

    def told(entry: Entry) -> None:
        nonlocal succeeded
        if failed(entry):
            failures.append(entry["record"]["error"]["code"])
        else:
            succeeded += 1
        _tell(entry, json)

    def unreadable(failure: Failure) -> None:
        failures.append(failure.code)
        tell(failure.reason)

    engine = make_engine(request, workers)
    if not watching.once:
        tell(f"watching {watching.folder!r} (Ctrl-C stops)")
    stopped = watch(watching, out, engine, on_entry=told, on_unreadable=unreadable)
    if stopped is not None:
        tell(f"stopped: {stopped}")
        return exit_codes.STOPPED
    return exit_codes.of_run(succeeded, failures)


def _tell(entry: Entry, json: bool) -> None:
    from emotrace.batch.entries import failed
    from emotrace.batch.sinks import line_of

    record = entry["record"]
    if json:
        typer.echo(line_of(entry).encode("utf-8", "backslashreplace"), nl=False)
    elif failed(entry):
        tell(record["error"]["reason"])
    else:
        decision = record["verdict"]["decision"] if record["verdict"] else ""
        typer.echo(
            one_line(f"{entry['file']}: {record['emotion']} {record['confidence']:.2f} {decision}").rstrip()
        )
