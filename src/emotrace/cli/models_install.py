"""``emotrace models pull`` and ``convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from emotrace.cli.amounts import shown_bytes
from emotrace.cli.messages import tell
from emotrace.cli.models_text import echo_json, int8_text
from emotrace.cli.options import JsonText
from emotrace.cli.progress import Steps

if TYPE_CHECKING:
    from emotrace.models.package import ModelPackage

PRECISIONS = ("fp32", "int8")


class Spread(TyperCommand):
    """Lets ``--precision`` take several words, as in ``--precision fp32 int8``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each word that follows it."""
        spread: list[str] = []
        for word in args:
            after = spread[-2:-1] == ["--precision"] and spread[-1] in PRECISIONS
            if after and word in PRECISIONS:
                spread.append("--precision")
            spread.append(word)
        return super().parse_args(ctx, spread)


_Precision = Annotated[
    list[str] | None,
    typer.Option(
        "--precision",
        metavar="fp32|int8 ...",
        help="Graphs to make. int8 is measured against fp32 and left out if it is not good enough.",
        show_default="fp32 int8",
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Replace what is installed under the name.")]


def pull(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A name from `emotrace models list`.", show_default=False),
    ],
    hub: Annotated[
        str,
        typer.Option(metavar="auto|huggingface|modelscope", help="Where to download it from."),
    ] = "auto",
    revision: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Branch, tag or commit. [default: the newest]", show_default=False),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Folder with the downloaded files; nothing is downloaded then.",
            exists=True,
            show_default=False,
        ),
    ] = None,
    install_as: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Install it under another name.", show_default=False),
    ] = None,
    precision: _Precision = None,
    force: _Force = False,
    json: JsonText = False,
) -> None:
    """Download a published model, convert it and install it.

    A download that was stopped goes on where it stopped. Every file is compared with the checksum that
    the hub lists. HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE are honoured.
    """
    from emotrace.models.catalogue import NOTICE, published
    from emotrace.models.pulling import pull as pull_model

    published(name)
    tell(NOTICE)
    with Steps() as steps:
        pulled = pull_model(
            name,
            hub=hub,
            revision=revision,
            source=source,
            install_as=install_as,
            precisions=tuple(precision or PRECISIONS),
            force=force,
            on_progress=steps,
        )
    _tell_warnings(pulled.warnings)
    if pulled.already:
        tell(f"{install_as or name} is installed already; --force replaces it")
    if pulled.kept is not None and source is None:
        tell(f"the downloaded files stay in {str(pulled.kept)!r} and are not needed any more")
    _show(pulled.folder, json)


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_OR_FILE",
            help="Folder with model.pt, config.yaml and tokens.txt, or the file model.pt there.",
            exists=True,
            show_default=False,
        ),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="Name to install it under.", show_default=False)],
    precision: _Precision = None,
    force: _Force = False,
    json: JsonText = False,
) -> None:
    """Convert an emotion2vec checkpoint and install it.

    Nothing in the checkpoint is run. Afterwards neither torch nor the checkpoint is needed.
    """
    from emotrace.models.conversion import convert as convert_checkpoint

    with Steps() as steps:
        report = convert_checkpoint(
            source, name, tuple(precision or PRECISIONS), force=force, on_progress=steps
        )
    _tell_warnings(report.warnings)
    _show(report.folder, json)


def _tell_warnings(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        tell(warning)


def _show(folder: Path, json: bool) -> None:
    """What is installed now."""
    from emotrace.models.package import ModelPackage

    package = ModelPackage(folder)
    if json:
        echo_json({**package.card.model_dump(mode="json"), "folder": str(folder)})
    else:
        typer.echo(_summary(package))


def _summary(package: ModelPackage) -> str:
    card = package.card
    total = shown_bytes(card.total_bytes)
    lines = [f"{card.name} is installed in {str(package.folder)!r} ({', '.join(card.graphs)}; {total})"]
    if card.int8 is not None:
        lines.append(f"int8 {int8_text(card.int8)}")
    return "\n".join(lines)
