"""``analyze`` and ``embed`` with ``--server``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emotrace.cli import exit_codes
from tests.cli.command import environment, run
from tests.server.served import TOKEN, live, speech


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live(load=None, token=TOKEN, data_dir=tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    (tmp_path / "talk.wav").write_bytes(speech(2.0))
    return tmp_path / "talk.wav"


KEY = environment(EMOTRACE_KEY=TOKEN)
VOLATILE = ("timestamp", "model")


def test_the_same_as_without(url: str, talk: Path) -> None:
    options = ("--granularity", "frame", "--hop", "0.2", "--json", "--embedding")
    ours, theirs = run("analyze", talk, *options), run("analyze", talk, *options, "--server", url, env=KEY)
    assert (ours.returncode, theirs.returncode) == (0, 0), theirs.stderr
    here, there = json.loads(ours.stdout), json.loads(theirs.stdout)
    for record in (here, there):
        for name in VOLATILE:
            record.pop(name)
    np.testing.assert_allclose(here.pop("embedding"), there.pop("embedding"), atol=1e-5)
    assert [frame["emotion"] for frame in here.pop("frames")] == [
        frame["emotion"] for frame in there.pop("frames")
    ]
    assert here.pop("scores") == pytest.approx(there.pop("scores"), abs=2e-6)
    assert here.keys() == there.keys()
    assert (here["source"], here["verdict"]) == (there["source"], there["verdict"])


def test_a_table_a_folder_and_standard_input(url: str, talk: Path, tmp_path: Path) -> None:
    done = run(
        "analyze", talk, "--server", url, "--out", tmp_path / "out", "--csv", tmp_path / "x.csv", env=KEY
    )
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "out").iterdir()
    assert {path.name for path in folder.iterdir()} == {"processed_audio.wav", "result.json"}
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 2
    done = run(
        "analyze", "-", "--server", url, "--json", env=KEY, input=talk.read_bytes(), text=False, encoding=None
    )
    assert json.loads(done.stdout)["duration_seconds"] == 2.0


def test_one_that_is_broken_does_not_stop_the_others(url: str, talk: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no")
    done = run("analyze", tmp_path / "bad.wav", talk, "--server", url, "--json", env=KEY)
    assert done.returncode == exit_codes.SOME_FAILED
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["error"]["code"], second["source"]) == ("audio", str(talk))


@pytest.mark.parametrize("options", [("--precision", "fp32"), ("--threads", "2"), ("--one-speaker",)])
def test_what_is_the_servers_own(url: str, talk: Path, options: tuple[str, ...]) -> None:
    done = run("analyze", talk, "--server", url, *options, env=KEY)
    assert done.returncode == exit_codes.USAGE
    assert "is the server's own" in done.stderr


@pytest.mark.parametrize(
    ("address", "code", "sentence"),
    [
        ("http://127.0.0.1:9", exit_codes.SERVER, "cannot be reached"),
        ("127.0.0.1", exit_codes.USAGE, "expected one like"),
        (None, exit_codes.SERVER, "from the variable EMOTRACE_KEY"),
    ],
)
def test_no_server(url: str, talk: Path, address: str | None, code: int, sentence: str) -> None:
    done = run("analyze", talk, "--server", address or url)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_embed(url: str, talk: Path, tmp_path: Path) -> None:
    for name, options in (("a.npy", ()), ("b.npy", ("--server", url))):
        done = run("embed", talk, "--out", tmp_path / name, *options, env=KEY)
        assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"), atol=1e-5)
