"""All commands in one tree; imports nothing that is heavy."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer

import emotrace
from emotrace.cli import analyze, doctor, exit_codes, labels, models, sample

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


app.command("analyze", epilog=f"{analyze.EXAMPLES}\n{exit_codes.epilog()}")(analyze.analyze)
app.command("labels")(labels.labels)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("sample")(sample.sample)


@cache
def root() -> Any:
    """The tree as one command."""
    return typer.main.get_command(app)
