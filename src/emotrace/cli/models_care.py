"""``emotrace models verify`` and ``remove``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli import exit_codes
from emotrace.cli.messages import one_line, tell
from emotrace.cli.models_text import echo_json
from emotrace.cli.options import JsonText
from emotrace.cli.progress import Steps

if TYPE_CHECKING:
    from emotrace.models.verification import Check

_WORDS = {True: "right", False: "WRONG", None: "-"}


def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A name from the list, or a model folder; else all.", show_default=False
        ),
    ] = None,
    json: JsonText = False,
) -> None:
    """Check installed models on this machine.

    Hashes every file again, compares the model with what its source network said about a few clips, and,
    if the checkpoint came with its example clip, with the published result.

    The exit code is 6 if anything is wrong.
    """
    from emotrace.models.registry import installed

    names = [name] if name is not None else list(installed())
    with Steps() as steps:
        reports = [_report(each, steps) for each in names]
    if json:
        echo_json(reports)
    else:
        typer.echo("\n".join(line for report in reports for line in _lines(report)))
    if not all(report["passed"] for report in reports):
        raise typer.Exit(exit_codes.MODEL)


def _report(name: str, steps: Steps) -> dict[str, Any]:
    from dataclasses import asdict

    from emotrace.errors import ModelError, ModelNotFoundError
    from emotrace.models.registry import find
    from emotrace.models.verification import Check, verify

    try:
        package = find(name)
        name, folder = package.card.name, str(package.folder)
        checks: list[Check] = verify(package, steps)
    except ModelNotFoundError:
        raise
    except ModelError as problem:
        folder, checks = None, [Check("files", None, False, str(problem))]
    passed = all(check.passed is not False for check in checks)
    return {"name": name, "folder": folder, "passed": passed, "checks": [asdict(check) for check in checks]}


def _lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{report['name']}: {'all is right' if report['passed'] else 'NOT right'}"]
    for check in report["checks"]:
        what = f"{check['name']} {check['graph'] or ''}".strip()
        lines.append(f"  {what:<14} {_WORDS[check['passed']]:<6} {one_line(check['detail'])}")
    return lines


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from the list.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove an installed model.

    What was downloaded for it stays in the cache of its hub.
    """
    from emotrace.errors import OptionError
    from emotrace.models.registry import removable, remove

    folder = removable(name)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise OptionError(f"nobody can be asked whether to remove {str(folder)!r}; add --yes")
        tell(f"remove {str(folder)!r}? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            tell("nothing was removed")
            return
    remove(name)
    tell(f"removed {str(folder)!r}")
