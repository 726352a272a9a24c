"""All commands in one tree; imports nothing that is heavy."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer

import emotrace
from emotrace.cli import (
    analyze,
    batch,
    check,
    doctor,
    embed,
    exit_codes,
    keys,
    labels,
    live,
    models,
    outputs,
    run,
    sample,
    serve,
    smooth,
    thresholds,
    watch,
)
from emotrace.cli import filter as quality_filter

app = typer.Typer(
    help="Emotion from speech, over time.",
    epilog=exit_codes.epilog(),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"emotrace {emotrace.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(exit_codes.USAGE)


app.command(
    "analyze",
    short_help="Recognise the emotion of recordings, and judge the results.",
    epilog=f"{analyze.EXAMPLES}\n{exit_codes.epilog()}",
)(analyze.analyze)
app.command(
    "batch",
    short_help="Recognise any number of recordings; killed, it goes on.",
    epilog=f"{batch.EXAMPLES}\n{exit_codes.epilog()}",
)(batch.batch)
app.command(
    "check",
    short_help="Check whether a model will understand recordings.",
    epilog=f"{check.EXAMPLES}\n{exit_codes.epilog()}",
)(check.check)
app.command("filter", epilog=f"{quality_filter.EXAMPLES}\n{exit_codes.epilog()}")(
    quality_filter.filter_results
)
app.command("embed", epilog=f"{embed.EXAMPLES}\n{exit_codes.epilog()}")(embed.embed)
app.add_typer(keys.app, name="keys")
app.command("labels")(labels.labels)
app.command("live", epilog=f"{live.EXAMPLES}\n{exit_codes.epilog()}")(live.live)
app.add_typer(models.app, name="models")
app.add_typer(
    thresholds.app, name="thresholds", short_help="Show the rules of a verdict; find thresholds on clips."
)
app.command("doctor")(doctor.doctor)
app.add_typer(outputs.app, name="outputs")
app.command(
    "run",
    short_help="Recognise, judge and sort a folder, and write a report.",
    epilog=f"{run.EXAMPLES}\n{exit_codes.epilog()}",
)(run.run)
app.command("sample")(sample.sample)
app.command(
    "serve",
    short_help="Serve web page, REST API, live streams, classic endpoint.",
    cls=serve.ServeCommand,
    epilog=f"{serve.EXAMPLES}\n{exit_codes.epilog()}",
)(serve.serve)
app.command("smooth", epilog=f"{smooth.EXAMPLES}\n{exit_codes.epilog()}")(smooth.smooth)
app.command(
    "watch",
    short_help="Recognise what comes into a folder.",
    epilog=f"{watch.EXAMPLES}\n{exit_codes.epilog()}",
)(watch.watch)


@cache
def root() -> Any:
    """The tree as one command."""
    return typer.main.get_command(app)
