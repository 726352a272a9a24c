"""``emotrace labels``: the nine emotions."""

from __future__ import annotations

from typing import Annotated

import typer

from emotrace.labels import EMOTIONS


def labels(
    json: Annotated[bool, typer.Option("--json", help="A JSON list instead of a table.")] = False,
) -> None:
    """Show the nine emotions.

    Number, emoji, English and Chinese name, colour.
    """
    if json:
        from json import dumps

        rows = [{"index": index, **emotion._asdict()} for index, emotion in enumerate(EMOTIONS)]
        typer.echo(dumps(rows, ensure_ascii=False))
        return
    for index, emotion in enumerate(EMOTIONS):
        typer.echo(f"{index}  {emotion.emoji}  {emotion.name:<9}  {emotion.zh}  {emotion.colour}")
