from __future__ import annotations

import pytest

import emotrace
from emotrace.cli.commands import root
from tests.cli.conftest import Run


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"emotrace {emotrace.__version__}\n", "")


def test_no_command_shows_the_help_and_is_an_error(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "analyze" in err
    assert "Exit codes" in err


@pytest.mark.parametrize("command", [[], ["analyze"], ["labels"], ["models"], ["models", "info"], ["doctor"]])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help(run: Run, command: list[str], flag: str) -> None:
    code, out, err = run(*command, flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(['emotrace', *command])} ")


def test_no_line_of_the_list_of_commands_is_cut_at_80_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("--help")
    assert not [line for line in out.splitlines()[1:] if line.endswith("...")]


@pytest.mark.parametrize(
    "option", ["--model", "--precision", "--device", "--runtime", "--threads", "--channel", "--whole-seconds"]
)
def test_an_option_says_the_same_in_every_command(option: str) -> None:
    told = {
        name: parameter.help
        for name, command in root().commands.items()
        if name != "serve"  # its own settings
        for parameter in command.params
        if option in parameter.opts
    }
    assert len(told) > 1
    assert len(set(told.values())) == 1, told
