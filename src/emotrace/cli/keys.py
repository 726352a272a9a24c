"""``emotrace keys``: who may ask the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.amounts import duration_of
from emotrace.cli.groups import with_groups
from emotrace.cli.messages import tell
from emotrace.cli.service_data import ServiceData
from emotrace.errors import OptionError

if TYPE_CHECKING:
    from datetime import datetime

    from emotrace.store import Key

app = typer.Typer(help="API keys of the service: make, list, revoke.")

SCOPES = ("recognize", "history", "models", "admin")


@app.callback(invoke_without_command=True)
def _keys(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_keys()


@app.command()
@with_groups
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what it is for.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(SCOPES),
            help="What it may do; give it several times for several. [default: recognize and history]",
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Requests a minute; 0 is no limit. [default: the service's]"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Requests at a time; 0 is no limit. [default: the service's]"),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="90d", help="Hours (h), days (d) or weeks (w) that it is good for.")
    ] = None,
    data: ServiceData,
) -> None:
    """Make a key and print it, this one time; what is stored is only a digest of it."""
    scopes = set(scope or SCOPES[:2])
    if unknown := scopes.difference(SCOPES):
        raise OptionError(f"there is no scope {min(unknown)!r}; expected {', '.join(SCOPES)}")
    if not (name.strip() and name.isprintable() and len(name) <= 100):
        raise OptionError(f"the name {name[:100]!r} is no name; expected up to 100 letters on one line")
    until = None if expires is None else _moment(expires)
    with data.opened() as store:
        from emotrace.server.access.authentication import digest_of, new_key

        identifier, key = new_key()
        store.keys.add(
            identifier,
            name.strip(),
            digest_of(key),
            scopes,
            expires=until,
            rate_per_minute=rate,
            concurrency=concurrency,
        )
    typer.echo(key)
    tell(f"key {identifier} of {name.strip()!r} may: {', '.join(sorted(scopes))}; it is not shown again")


@app.command("list")
@with_groups
def list_keys(data: ServiceData) -> None:
    """List the keys: id, name, scopes, limits, and until when they are good."""
    with data.opened() as store:
        keys = store.keys.list()
    if not keys:
        tell("there are no keys; make one: emotrace keys create NAME")
        return
    rows: list[tuple[str, ...]] = [
        ("ID", "NAME", "SCOPES", "RATE", "AT A TIME", "CREATED", "LAST USED", "STATE")
    ]
    rows += [_row(key) for key in keys]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
@with_groups
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `emotrace keys list` shows it.")],
    data: ServiceData,
) -> None:
    """End a key for good, and all sessions that were opened with it; within seconds if the service runs."""
    with data.opened() as store:
        found = store.keys.revoke(key)
    if not found:
        raise OptionError(f"there is no key {key[:100]!r} that is good; `emotrace keys list` shows them")
    tell(f"key {key} is revoked")


def _moment(text: str) -> datetime:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc) + duration_of(text, "--expires")


def _row(key: Key) -> tuple[str, ...]:
    return (
        key.id,
        key.name,
        ",".join(sorted(key.scopes)),
        "" if key.rate_per_minute is None else str(key.rate_per_minute),
        "" if key.concurrency is None else str(key.concurrency),
        f"{key.created:%Y-%m-%d}",
        "never" if key.last_used is None else f"{key.last_used:%Y-%m-%d %H:%M}",
        _state(key),
    )


def _state(key: Key) -> str:
    from datetime import datetime, timezone

    if key.revoked is not None:
        return f"revoked {key.revoked:%Y-%m-%d}"
    if key.expires is None:
        return "good"
    past = key.expires <= datetime.now(timezone.utc)
    return f"{'expired' if past else 'good until'} {key.expires:%Y-%m-%d %H:%M}"
