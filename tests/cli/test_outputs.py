"""``emotrace outputs``, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from emotrace.cli import exit_codes
from emotrace.cli.amounts import bytes_of, duration_of
from emotrace.cli.app import main
from emotrace.errors import OptionError
from emotrace.store import Store
from emotrace.store.schema import recognitions
from emotrace.store.types import now
from tests.outputs.results_made import put, record, tree
from tests.store.opened import recognition

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in a folder of its own: its exit code, output and messages."""
    monkeypatch.chdir(tmp_path)

    def typed(*arguments: object) -> tuple[int, str, str]:
        code = main(["outputs", *map(str, arguments)])
        return (code, *capfd.readouterr())

    return typed


def results(folder: Path) -> Path:
    """Two old results and a young one."""
    put(folder, "outputs_20250101_000000", record(verdict={"decision": "drop", "reasons": []}))
    put(folder, "normal/outputs_20250202_000000", record(verdict={"decision": "keep", "reasons": []}))
    put(folder, "outputs_29990101_000000")
    return folder


def test_old_results_go_to_an_archive_and_come_back(run: Run, tmp_path: Path) -> None:
    root = results(tmp_path / "outputs")
    before = tree(root)
    code, out, _ = run("prune", "--older-than", "7d", "--archive", "old", "--dry-run")
    assert (code, tree(root), (tmp_path / "old").exists()) == (0, before, False)
    assert "outputs_20250101_000000" in out and "would be removed: 2" in out
    code, out, _ = run("prune", "--older-than", "7d", "--archive", "old")
    assert code == 0 and out.startswith("removed: 2, ") and len(tree(root)) == 2
    [made] = (tmp_path / "old").iterdir()
    assert f"archive: old/{made.name}" in out
    assert run("restore", made, "--dry-run")[1] == "would be restored: 2\n"
    assert run("restore", made)[:2] == (0, "restored: 2\n")
    assert tree(root) == before
    code, out, error = run("restore", made)
    assert (code, out) == (exit_codes.OUTPUT, "restored: 0\n") and "is there already and stays" in error


def test_what_goes_is_what_was_listed(run: Run, tmp_path: Path) -> None:
    results(tmp_path / "outputs")
    code, out, error = run("list", "--older-than", "7d")
    assert code == 0 and len(out.splitlines()) == 2 and "2 results, " in error
    listed = json.loads(run("list", "--verdict", "drop", "--json")[1])["items"]
    assert [(item["name"], item["decision"]) for item in listed] == [("outputs_20250101_000000", "drop")]
    done = json.loads(run("prune", "--verdict", "drop", "--json")[1])
    assert done["removed"] == ["outputs_20250101_000000"] and done["archives"] == []
    planned = json.loads(run("prune", "--max-size", "0", "--dry-run", "--json")[1])
    assert planned["dry_run"] and len(planned["items"]) == 2
    code, out, _ = run("archive", "--into", "copies", "--larger-than", "1")
    assert code == 0 and out.startswith("archived: 2, ")
    assert len(json.loads(run("list", "--json")[1])["items"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("prune",), exit_codes.USAGE, "nothing says what shall go"),
        (("prune", "--older-than", "a week"), exit_codes.USAGE, "expected a time such as"),
        (("prune", "--max-size", "much"), exit_codes.USAGE, "expected a size such as"),
        (("prune", "--verdict", "bad"), exit_codes.USAGE, "expected keep, flag or drop"),
        (("prune", "nowhere", "--older-than", "7d"), exit_codes.INPUT, "there is no folder 'nowhere'"),
        (("list",), exit_codes.INPUT, "there is no folder 'outputs'"),
        ((), exit_codes.INPUT, "there is no folder 'outputs'"),
        (("restore", "none.zip"), exit_codes.INPUT, "'none.zip' does not exist"),
    ],
)
def test_what_is_wrong_is_told(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    found, _, error = run(*arguments)
    assert found == code and said in error and "Traceback" not in error


def test_a_result_that_cannot_go_is_told_and_the_others_go(run: Run, tmp_path: Path) -> None:
    root = results(tmp_path / "outputs")
    (root / "outputs_20250101_000000" / "link").symlink_to("/etc/passwd")
    code, out, error = run("prune", "--older-than", "7d", "--dry-run")
    assert code == exit_codes.SOME_FAILED and "would be removed: 1, " in out and "no regular file" in error
    [failure] = json.loads(run("prune", "--older-than", "7d", "--dry-run", "--json")[1])["failures"]
    assert failure["name"] == "outputs_20250101_000000"
    code, out, error = run("prune", "--older-than", "7d", "--archive", "old")
    assert code == exit_codes.SOME_FAILED and out.startswith("removed: 1, ")
    assert "no regular file" in error


def test_what_the_service_keeps_goes_and_comes_back(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = Store(None, data)
    old, young = (
        store.recognitions.add(recognition(source=name), owner="ann") for name in ("a.wav", "b.wav")
    )
    with store.database.writing() as connection:
        chosen = update(recognitions).where(recognitions.c.id == old)
        connection.execute(chosen.values(created=now() - timedelta(days=8)))
    for where in ([data], ["--service", "--data-dir", data]):
        code, out, _ = run("list", *where)
        assert code == 0 and old in out and young in out and "a.wav" in out
    code, out, _ = run("prune", data, "--older-than", "7d", "--archive", "old")
    assert code == 0 and out.startswith("removed: 1, ")
    assert [kept.id for kept in store.recognitions.search(None).items] == [young]
    assert store.audit.list().items[0].actor == "command-line"
    [made] = (tmp_path / "old").iterdir()
    assert run("restore", made, "--into", data)[:2] == (0, "restored: 1\n")
    assert {kept.id for kept in store.recognitions.search(None).items} == {old, young}
    code, out, _ = run("archive", data, "--into", "copies")
    assert code == 0 and out.startswith("archived: 2, ")
    store.close()
    (data / "emotrace.db").unlink()
    code, _, error = run("prune", data, "--older-than", "7d")
    assert code == exit_codes.USAGE and "PostgreSQL" in error


def test_amounts_are_read_as_people_write_them() -> None:
    assert duration_of("1.5d", "x") == timedelta(hours=36) and duration_of("2w", "x") == timedelta(days=14)
    assert bytes_of("10", "x") == 10 and bytes_of("1 kB", "x") == 1000 and bytes_of("0.5GiB", "x") == 2**29
    wrong: list[Any] = ["", "7", "d", "-1d", "0d", "1m", "1e9d", "999999w", "７d"]
    for text in wrong:
        with pytest.raises(OptionError):
            duration_of(text, "x")
    for text in ("", "-1", "1x", "1iB", "1 GB B", "inf"):
        with pytest.raises(OptionError):
            bytes_of(text, "x")


def test_the_help_shows_the_command_as_it_is_meant(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0 and "emotrace outputs prune --older-than 7d" in out
