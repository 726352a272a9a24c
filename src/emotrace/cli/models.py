"""``emotrace models``: which models there are and what they are; its other commands are beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from emotrace.cli import models_care, models_install
from emotrace.cli.models_text import card_text, echo_json, list_text
from emotrace.cli.options import JsonText

app = typer.Typer(
    help="Show, get, check and remove models.",
    no_args_is_help=False,
)


@app.callback(invoke_without_command=True)
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models(json=False)


@app.command("list")
def list_models(json: JsonText = False) -> None:
    """List the installed models, and those that can be pulled.

    Best first; the one with a star is used unless another is asked for.
    """
    from emotrace.models.listing import rows

    found = rows()
    if json:
        echo_json([row.as_dict() for row in found])
    else:
        typer.echo(list_text(found))


@app.command("info")
def info(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A name from the list, or a model folder.", show_default=False),
    ] = "auto",
    json: JsonText = False,
) -> None:
    """Show the card of a model.

    What it is, its licence and source, its measured figures, and what it is not for.
    """
    from emotrace.models.listing import problem_of
    from emotrace.models.registry import find

    package = find(name)
    problem = problem_of(package)
    if json:
        card = package.card.model_dump(mode="json")
        echo_json({**card, "folder": str(package.folder), "problem": problem})
    else:
        typer.echo(card_text(package.card, str(package.folder), problem))


app.command("pull", cls=models_install.Spread)(models_install.pull)
app.command("convert", cls=models_install.Spread)(models_install.convert)
app.command("verify")(models_care.verify)
app.command("remove")(models_care.remove)
