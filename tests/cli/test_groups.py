from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from emotrace.cli.groups import filled, flat, given, with_groups


@dataclass(frozen=True, slots=True)
class Inner:
    depth: Annotated[int, typer.Option(help="How deep.")] = 1
    label: Annotated[str | None, typer.Option(help="What it is called.")] = None


@dataclass(frozen=True, slots=True)
class Outer:
    name: Annotated[str, typer.Argument(help="Whose.")]
    inner: Inner = field(default_factory=Inner)
    loud: Annotated[bool, typer.Option("--loud")] = False


_seen: list[object] = []


@pytest.fixture
def app() -> typer.Typer:
    _seen.clear()
    made = typer.Typer(rich_markup_mode=None)

    @made.command("whole")
    @with_groups
    def whole(outer: Outer, *, last: Annotated[int, typer.Option()] = 7) -> None:
        """Say it."""
        _seen.extend((outer, last))

    @made.command("deep")
    @with_groups
    def deep(inner: Inner = Inner(depth=9)) -> None:
        _seen.append(inner)

    return made


def test_a_record_stands_for_its_options(app: typer.Typer) -> None:
    arguments = ["whole", "Ada", "--depth", "3", "--label", "x", "--loud", "--last", "2"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert _seen == [Outer("Ada", Inner(3, "x"), True), 2]


def test_what_is_left_out_is_as_the_record_has_it(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["whole", "Ada"]).exit_code == 0
    assert _seen == [Outer("Ada"), 7]
    assert CliRunner().invoke(app, ["whole"]).exit_code == 2


def test_a_record_as_default_gives_its_values(app: typer.Typer) -> None:
    assert "[default: 9]" in CliRunner().invoke(app, ["deep", "--help"]).output
    assert CliRunner().invoke(app, ["deep"]).exit_code == 0
    assert CliRunner().invoke(app, ["deep", "--label", "x"]).exit_code == 0
    assert _seen == [Inner(9), Inner(9, "x")]


def test_the_help_shows_the_options_where_the_record_stands(app: typer.Typer) -> None:
    text = CliRunner().invoke(app, ["whole", "--help"]).output
    assert "Say it." in text and "How deep." in text
    places = [text.index(option) for option in ("--depth", "--label", "--loud", "--last")]
    assert places == sorted(places)


def test_flat_and_filled_undo_each_other() -> None:
    outer = Outer("Ada", Inner(3, "x"), True)
    assert flat(outer) == {"name": "Ada", "depth": 3, "label": "x", "loud": True}
    assert filled(Outer, flat(outer)) == outer
    assert given(Outer("Ada")) == {"name": "Ada", "depth": 1, "loud": False}
