"""``emotrace outputs``: results on the disk: list, prune, archive, restore."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotrace.cli import exit_codes
from emotrace.cli.amounts import bytes_of, counted, duration_of, shown_bytes
from emotrace.cli.groups import with_groups
from emotrace.cli.messages import one_line, print_json, tell, tell_failures
from emotrace.cli.service_data import ServiceData

if TYPE_CHECKING:
    from emotrace.cli.outputs_roots import Root
    from emotrace.outputs.found import Item
    from emotrace.outputs.tidy import Choice, Pruned
    from emotrace.results import Failure

EXAMPLES = """\b
Examples:
  emotrace outputs list --older-than 7d
  emotrace outputs prune --older-than 7d --dry-run
  emotrace outputs prune --older-than 7d --archive old
  emotrace outputs prune results --verdict drop --max-size 2GB
  emotrace outputs restore old/emotrace_20260501_120000_0a1b2c.zip
  emotrace outputs prune --service --older-than 30d
"""

app = typer.Typer(
    help="Results on the disk: list, prune, archive, restore.",
    epilog=f"{EXAMPLES}\n{exit_codes.epilog()}",
)

RootOf = Annotated[
    Path,
    typer.Argument(
        metavar="[ROOT]", help="Folder of outputs_*, batch_* and run_* folders.", show_default="outputs"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which results: those that fulfil all that is asked."""

    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="7d", help="Made so many hours (h), days (d) or weeks (w) ago.", show_default=False
        ),
    ] = None
    larger_than: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="With so many bytes, such as 500MB.", show_default=False),
    ] = None
    max_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="The oldest, until all others have no more.", show_default=False),
    ] = None
    verdict: Annotated[
        list[str] | None,
        typer.Option(
            metavar="keep|flag|drop", help="With this verdict; may be repeated.", show_default=False
        ),
    ] = None

    def choice(self) -> Choice:
        """The same for the library.

        Raises:
            OptionError: a time, a size or a verdict is none.
        """
        from emotrace.errors import OptionError
        from emotrace.outputs.tidy import Choice

        for each in self.verdict or ():
            if each not in ("keep", "flag", "drop"):
                raise OptionError(f"--verdict is {each[:60]!r}; expected keep, flag or drop")
        return Choice(
            older_than=None if self.older_than is None else duration_of(self.older_than, "--older-than"),
            larger_than=None if self.larger_than is None else bytes_of(self.larger_than, "--larger-than"),
            decisions=frozenset(self.verdict or ()),
            max_size=None if self.max_size is None else bytes_of(self.max_size, "--max-size"),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the results are."""

    service: Annotated[
        bool, typer.Option("--service", help="The recognitions that the service keeps, instead of a folder.")
    ] = False
    data: ServiceData = field(default_factory=ServiceData)

    def opened(self, root: Path, missing: bool = False) -> AbstractContextManager[Root]:
        """See :func:`emotrace.cli.outputs_roots.opened`."""
        from emotrace.cli.outputs_roots import opened

        return opened(root, self.service, self.data, missing)


@app.callback(invoke_without_command=True)
def _outputs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_outputs()


@app.command("list")
@with_groups
def list_outputs(
    root: RootOf = Path("outputs"),
    *,
    selection: Selection,
    place: Place,
    json: AsJson = False,
) -> None:
    """Show results, oldest first: those that fulfil all that is asked."""
    choice = selection.choice()
    with place.opened(root) as opened:
        items = choice.of_items(opened.items())
    if json:
        print_json({"items": [_record(item) for item in items]})
        return
    for item in items:
        more = "  ".join(filter(None, (item.emotion, item.decision, item.source)))
        typer.echo(
            one_line(
                f"{item.made:%Y-%m-%d %H:%M}  {shown_bytes(item.bytes):>8}  {item.name}  {more}"
            ).rstrip()
        )
    tell(f"{counted(len(items), 'result')}, {shown_bytes(sum(item.bytes for item in items))}")


@app.command()
@with_groups
def prune(
    root: RootOf = Path("outputs"),
    *,
    selection: Selection,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="First put them into a new archive there, read back before they go.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; change nothing.")] = False,
    place: Place,
    json: AsJson = False,
) -> None:
    """Remove results: those that fulfil all that is asked, at least one thing.

    A batch that was written to within the last hour stays. With --archive nothing goes before the archive
    was read back from the disk and found right.
    """
    from emotrace.errors import OptionError

    choice = selection.choice()
    if choice.is_empty:
        raise OptionError(
            "nothing says what shall go; give --older-than 7d, --max-size 10GB or --verdict drop"
        )
    with place.opened(root) as opened:
        chosen = choice.of_items(opened.items())
        if dry_run:
            raise typer.Exit(_tell_plan("would be removed", *opened.ready(chosen), json))
        done = opened.prune(chosen, archive)
    raise typer.Exit(_tell_done("removed", done, done.removed, json))


@app.command()
@with_groups
def archive(
    root: RootOf = Path("outputs"),
    *,
    into: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the archive.")] = Path("archives"),
    selection: Selection,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would hold.")] = False,
    place: Place,
    json: AsJson = False,
) -> None:
    """Put results into a new archive (ZIP), read back and compared; the results stay."""
    choice = selection.choice()
    with place.opened(root) as opened:
        chosen = choice.of_items(opened.items())
        if dry_run:
            raise typer.Exit(_tell_plan("would be archived", *opened.ready(chosen), json))
        done = opened.archive(chosen, into)
    failed = {failure.source for failure in done.failures}
    raise typer.Exit(
        _tell_done("archived", done, [item.name for item in chosen if item.name not in failed], json)
    )


@app.command()
@with_groups
def restore(
    file: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="An archive of prune or archive.")],
    *,
    into: Annotated[Path, typer.Option(metavar="DIR", help="Put the results back into this folder.")] = Path(
        "outputs"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would come back.")] = False,
    place: Place,
    json: AsJson = False,
) -> None:
    """Put the results of an archive back; what is there already stays as it is."""
    with place.opened(into, missing=True) as opened:
        back, failures = opened.restore(file, dry_run)
    verb = "would be restored" if dry_run else "restored"
    if json:
        print_json({"restored": back, "failures": _reasons(failures), "dry_run": dry_run})
    else:
        typer.echo(f"{verb}: {len(back)}")
    raise typer.Exit(_tell_failures(len(back), failures))


def _tell_plan(verb: str, chosen: Sequence[Item], failures: Sequence[Failure], json: bool) -> int:
    if json:
        print_json(
            {
                "dry_run": True,
                "items": [_record(item) for item in chosen],
                "failures": _reasons(failures),
            }
        )
    else:
        for item in chosen:
            typer.echo(one_line(f"{item.name}  {shown_bytes(item.bytes)}"))
        typer.echo(f"{verb}: {len(chosen)}, {shown_bytes(sum(item.bytes for item in chosen))}")
    return _tell_failures(len(chosen), failures)


def _reasons(failures: Sequence[Failure]) -> list[dict[str, str]]:
    return [{"name": failure.source, "reason": failure.reason} for failure in failures]


def _tell_done(verb: str, done: Pruned, names: Sequence[str], json: bool) -> int:
    if json:
        places = [str(place) for place in done.archives]
        failures = _reasons(done.failures)
        record = {verb: list(names), "bytes": done.bytes, "archives": places, "failures": failures}
        print_json(record)
    else:
        typer.echo(f"{verb}: {len(names)}, {shown_bytes(done.bytes)}")
        for place in done.archives:
            typer.echo(f"archive: {place}")
    return _tell_failures(len(names), done.failures)


def _tell_failures(good: int, failures: Sequence[Failure]) -> int:
    tell_failures(failures)
    return exit_codes.of_run(good, [failure.code for failure in failures])


def _record(item: Item) -> dict[str, Any]:
    return {
        "name": item.name,
        "made": item.made.isoformat(sep=" ", timespec="seconds"),
        "bytes": item.bytes,
        "emotion": item.emotion,
        "decision": item.decision,
        "source": item.source,
    }
