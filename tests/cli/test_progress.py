from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from emotrace.cli import progress
from emotrace.cli.progress import Steps, Watch
from tests.cli.command import square, write
from tests.cli.conftest import Run


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Show = Callable[[], _Terminal]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Call it in the test: standard error becomes a terminal, and all work is long."""

    def showing() -> _Terminal:  # not in the fixture: pytest exchanges sys.stderr before the test
        file = _Terminal()
        monkeypatch.setattr("sys.stderr", file)
        monkeypatch.setattr(progress, "PATIENCE", 0.0)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        return file

    return showing


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_long_work_shows_which_input_it_is_at(show: Show) -> None:
    terminal = show()
    watch = Watch(3)
    watch.begin("a.wav", 100.0)
    watch.update("recognise", 50.0, 0.0)
    watch.update("recognise", 100.0, 0.0)
    watch.begin("b\n[bold].wav", None)
    watch.close()
    text = bare(terminal.getvalue())
    assert "1/3 a.wav" in text
    assert "2/3 b\\n[bold].wav" in text


def test_it_hides_while_something_is_printed(show: Show) -> None:
    terminal = show()
    watch = Watch(1)
    watch.begin("a.wav", 10.0)
    with watch.hidden():
        length = len(terminal.getvalue())
        terminal.write("RESULT")
        assert len(terminal.getvalue()) == length + 6
    watch.close()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 2


def test_short_work_shows_nothing(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = show()
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    watch = Watch(1)
    watch.begin("a.wav", 1.0)
    watch.update("recognise", 1.0, 0.0)
    with watch.hidden():
        pass
    watch.close()
    assert terminal.getvalue() == ""


def test_nothing_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not Watch(1).enabled
    monkeypatch.setattr("sys.stderr", None)
    assert not Watch(1).enabled


def test_the_command_shows_progress_of_a_long_recording(fake: Run, show: Show, tmp_path: Path) -> None:
    terminal = show()
    path = write(tmp_path / "long.wav", square(0.4, 40))
    code, out, _ = fake("analyze", path, tmp_path / "missing.wav", "--json")
    text = bare(terminal.getvalue())
    assert code in (3, 5)  # whether a buzz is speech is not the question here
    assert "1/2 " in text
    assert "long.wav" in text
    assert "does not exist" in text
    assert "\x1b" not in out


def test_the_steps_of_long_work_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal := _Terminal())
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with Steps() as steps:
        steps("download model.pt", 0, 1_950_000_000)
        steps("download model.pt", 1_950_000_000, 1_950_000_000)
        steps("write the graph", 0, 1)
        steps("wait for another", 0, 0)
    text = terminal.getvalue()
    for step in ("download model.pt (1.95 GB)", "write the graph", "wait for another"):
        assert step in text
