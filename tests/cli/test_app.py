from __future__ import annotations

import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from emotrace.cli import app
from emotrace.cli.app import main
from emotrace.cli.messages import one_line, tell, unexpected
from tests.cli.conftest import Run


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let ``emotrace labels`` raise something."""

    def make(problem: BaseException) -> None:
        def broken(*_: object) -> None:
            raise problem

        monkeypatch.setattr("typer.echo", broken)

    return make


@pytest.mark.parametrize(
    ("problem", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "emotrace: interrupted\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            7,
            "emotrace: standard output cannot be written: no space left on device; write it elsewhere\n",
        ),
        (
            PermissionError(errno.EACCES, "", "barred"),
            3,
            "emotrace: 'barred' cannot be read: permission denied\n",
        ),
        (
            KeyError("a\nb"),
            1,
            "emotrace: unexpected error, a bug of emotrace: KeyError: 'a\\nb' (EMOTRACE_DEBUG=1",
        ),
        (MemoryError(), 1, "emotrace: there is not enough memory for this; close other programs or cut"),
    ],
)
def test_whatever_happens_is_one_sentence_and_a_code(
    run: Run, failing: Any, problem: BaseException, code: int, sentence: str
) -> None:
    failing(problem)
    found, out, err = run("labels")
    assert (found, out) == (code, "")
    assert err.startswith(sentence)
    assert err.count("\n") == bool(sentence)


def test_the_traceback_only_if_asked_for(run: Run, failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(KeyError("x"))
    monkeypatch.setenv("EMOTRACE_DEBUG", "1")
    code, _, err = run("labels")
    assert code == 1
    assert "Traceback" in err
    assert err.splitlines()[-1] == "emotrace: unexpected error, a bug of emotrace: KeyError: 'x'"


def test_a_termination_cleans_up_like_an_interrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    def terminate(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(5)
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("typer.echo", terminate)
    assert run("labels") == (143, "", "emotrace: terminated\n")
    assert cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_it_runs_in_another_thread_too() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["--version"])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_without_standard_output_nothing_is_done(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert main(["labels"]) == 7
    assert capfd.readouterr().err == "emotrace: standard output is closed; expected a place for the results\n"


def test_without_standard_error_nothing_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert run("analyze", "missing.wav") == (3, "", "")


def test_the_arguments_are_those_of_the_process(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("sys.argv", ["emotrace", "--version"])
    assert app.main() == 0
    assert capfd.readouterr().out.startswith("emotrace ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "No such command 'nonsense' (see `emotrace --help`)"),
        (["models", "nonsense"], "No such command 'nonsense' (see `emotrace models --help`)"),
        (["analyze"], "(see `emotrace analyze --help`)"),
        (["smooth"], "'METHOD'. Choose from: vote, voting, ewma"),
        (["labels", "too", "much"], "(see `emotrace labels --help`)"),
    ],
)
def test_wrong_use_says_where_the_help_is(run: Run, arguments: list[str], sentence: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("emotrace: ")
    assert sentence in err
    assert err.count("\n") == 1


def test_messages_stay_on_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    tell("'a\nb\r\x1b[2J\udcff\u2028.wav' is gone")
    assert capfd.readouterr().err == "emotrace: 'a\\nb\\r\\x1b[2J\\udcff\\u2028.wav' is gone\n"
    assert one_line("声音 😊 é") == "声音 😊 é"
    assert "\n" not in one_line(unexpected(ValueError("a\nb")))


def test_a_terminal_that_cannot_show_a_name(tmp_path: Path) -> None:
    from tests.cli.command import environment
    from tests.cli.command import run as run_command

    done = run_command(
        "analyze", tmp_path / "声😊.wav", env=environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    )
    assert done.returncode == 3
    assert "\\u58f0\\U0001f60a.wav' does not exist" in done.stderr
    assert done.stderr.count("\n") == 1
