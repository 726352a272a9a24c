"""``emotrace models``: which models are installed, and what they are."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(help="Show the installed models.", no_args_is_help=False)

_Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.callback(invoke_without_command=True)
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models(json=False)


@app.command("list")
def list_models(json: _Json = False) -> None:
    """List the installed models.

    Best first; the first, marked with a star, is used unless another is asked for.
    """
    rows = [_row(name, str(path)) for name, path in _installed().items()]
    for row, default in zip(rows, [True] + [False] * len(rows), strict=False):
        row["default"] = default
    if json:
        _echo(rows)
        return
    for row in rows:
        mark = "*" if row["default"] else " "
        about = row["problem"] or f"{row['description']} ({', '.join(row['precisions'])}; {row['licence']})"
        typer.echo(f"{mark} {row['name']:<24} {row['version'] or '?':<8} {about}")


@app.command("info")
def info(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A name from the list, or a model folder.", show_default=False),
    ] = "auto",
    json: _Json = False,
) -> None:
    """Show the card of a model.

    What it is, its licence, its measured figures, and what it is not for.
    """
    from emotrace.models.registry import find

    package = find(name)
    card = package.card.model_dump(mode="json")
    if json:
        _echo({**card, "folder": str(package.folder)})
        return
    typer.echo(_card_text({**card, "folder": str(package.folder)}))


def _card_text(card: dict[str, Any]) -> str:
    megabytes = sum(entry["bytes"] for entry in card["files"].values()) / 1e6
    reference = "can use one" if card["reference_size"] else "uses none"
    track = card["track"]
    rows = {
        "model": f"{card['name']} {card['version']} ({card['family']})",
        "what": card["description"],
        "for": card["intended_use"],
        "not for": card["not_for"],
        "trained on": card["training_data"],
        "licence": card["licence"],
        "source": card["source"],
        "precisions": ", ".join(card["graphs"]),
        "frames": f"{card['frame_hop'] * 1000:g} ms, {card['frame_size']} wide",
        "embedding": f"{card['embedding_size']} wide",
        "speaker reference": reference,
        "over time": f"{track['method']}, {track['window']:g} s every {track['hop']:g} s",
        "shortest clip": f"{card['min_seconds']:g} s",
        "size": f"{megabytes:.1f} MB",
        "folder": card["folder"],
    }
    lines = [f"{name:<18} {text}" for name, text in rows.items()]
    for figure in card["figures"]:
        low_high = figure["interval"]
        interval = f" [{low_high[0]:.3f}, {low_high[1]:.3f}]" if low_high else ""
        where = f"{figure['corpus']}, {figure['split']}"
        lines.append(f"{'measured':<18} {figure['name']}: {figure['value']:.3f}{interval} on {where}")
    return "\n".join(lines)


def _row(name: str, folder: str) -> dict[str, Any]:
    from pathlib import Path

    from emotrace.errors import ModelError
    from emotrace.models.package import read_card

    row: dict[str, Any] = {"name": name, "default": False, "folder": folder, "problem": None}
    try:
        card = read_card(Path(folder))
    except ModelError as problem:
        empty = dict.fromkeys(("family", "version", "precisions", "licence", "description"))
        return {**row, **empty, "problem": str(problem)}
    return {
        **row,
        "family": card.family,
        "version": card.version,
        "precisions": list(card.graphs),
        "licence": card.licence,
        "description": card.description,
    }


def _installed() -> Any:
    from emotrace.models.registry import installed

    return installed()


def _echo(value: Any) -> None:
    from json import dumps

    typer.echo(dumps(value, ensure_ascii=False))
