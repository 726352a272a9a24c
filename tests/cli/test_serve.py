"""``emotrace serve`` as a process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from emotrace.cli import exit_codes
from emotrace.errors import MissingExtraError
from tests.cli.command import COMMAND, environment
from tests.cli.conftest import Run
from tests.server.served import ON, TOKEN, speech
from tests.server.test_live import HEAD, answer_of, opened

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@contextmanager
def serving(*arguments: str, asks: bool = False, **variables: str) -> Iterator[tuple[Any, str]]:
    """The running command and its URL."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"listening on (http://\S+:\d+)(.*)", line)
        asked = ", for those who have a key" if asks else ""
        assert found and found[2].startswith(f"{asked}; the data are in /"), line + process.stderr.read()
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=30).close()
    except ConnectionError:  # refused, or reset while it closes
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_end(number: signal.Signals) -> None:
    body = HEAD + speech() + b"\r\n--edge--\r\n"
    with serving() as (process, url):
        assert url.startswith("http://127.0.0.1:")
        with opened(url, f"Content-Length: {len(body)}") as connection:
            connection.sendall(body[:1000])
            assert httpx2.get(f"{url}/v1/health").status_code == 200  # the upload has begun before
            process.send_signal(number)
            while not refused(url):
                pass
            connection.sendall(body[1000:])
            status, record = answer_of(connection)
        assert (status, record["source"]) == (200, "talk.wav")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert err.strip().endswith("emotrace: stopped")
        assert "Traceback" not in err


def test_the_token_comes_from_a_file_and_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    with serving("--token-file", str(file), asks=True) as (process, url):
        assert httpx2.get(f"{url}/v1/models").status_code == 401
        assert httpx2.get(f"{url}/v1/models", headers=ON).status_code == 200
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert TOKEN not in err


def test_an_open_port_without_a_token_is_refused_in_a_sentence(run: Run) -> None:
    code, out, err = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "other machines" in err
    assert "EMOTRACE_TOKEN" in err


def test_a_token_that_cannot_be_used_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, odd = tmp_path / "empty", tmp_path / "odd"
    empty.write_text("\n")
    odd.write_bytes(b"\xff" * 40)
    for path, said in ((empty, "is empty"), (odd, "plain text"), (tmp_path / "none", "no such file")):
        code, _, err = run("serve", "--token-file", path)
        assert code == 2
        assert said in err
    monkeypatch.setenv("EMOTRACE_TOKEN", "short")
    code, _, err = run("serve", "--port", "0")
    assert code == 2
    assert "5 characters" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--model", "nobody"), 6, "'nobody' is not installed"),
        (("--model", "/etc"), 6, "not installed"),
        (("--device", "tpu"), 2, "device"),
        (("--queue", "-1"), 2, "queue"),
        (("--presets", "/nowhere.toml"), 3, "cannot be read"),
    ],
)
def test_what_cannot_work_is_told_at_start(
    run: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = run("serve", "--port", "0", *arguments)
    assert (found, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run("serve", "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "choose another with --port" in err


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotrace.cli import serve

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotrace\[server\]'"):
        serve.ServeCommand("serve").get_params(None)


def test_without_what_only_the_pages_need_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "gradio" else find_spec(name)
    )
    code, _, err = run("serve", "--port", "0")
    assert "the web page (without it: --no-ui) needs gradio, which is not installed" in err
    assert (code, err.count("\n")) == (exit_codes.MODEL, 1)


def test_all_packages_of_the_extra_are_looked_for() -> None:
    from emotrace.cli.serve import NEEDED
    from emotrace.server.settings_sources import read_toml

    needs = read_toml(PROJECT)["project"]["optional-dependencies"]["server"]
    found = {re.split(r"[^\w-]", one)[0].replace("-", "_") for one in needs}
    assert found - set(NEEDED) == {"gradio", "psycopg", "starlette", "typing_extensions", "uvloop"}


def test_programs_get_one_object_for_each_line(tmp_path: Path) -> None:
    with serving("--log-format", "json", "--no-ui", "--insecure", "--host", "0.0.0.0") as (process, url):
        assert httpx2.get(url.replace("0.0.0.0", "127.0.0.1") + "/v1/health").status_code == 200
        process.terminate()
        err = process.stderr.read()  # with what was read ahead
    told = [json.loads(line) for line in err.splitlines()]
    assert (told[0]["level"], told[0]["message"][:8]) == ("warning", "INSECURE")
    assert told[-1]["message"] == "stopped"


@pytest.mark.parametrize("made", ["token", "key"])
def test_the_start_tells_of_keys_their_way_and_the_data(tmp_path: Path, run: Run, made: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    given = {"EMOTRACE_DATA_DIR": str(folder)} | ({"EMOTRACE_TOKEN": TOKEN} if made == "token" else {})
    if made == "key":
        assert run("keys", "create", "phone", "--data-dir", folder)[0] == 0
    with serving("--no-ui", "--host", "0.0.0.0", asks=True, **given) as (process, url):
        assert httpx2.get(url.replace("0.0.0.0", "127.0.0.1") + "/v1/models").status_code == 401
        modes = {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()}
        process.terminate()
        err = process.stderr.read()  # with what was read ahead
    assert {"emotrace.db", "emotrace.db-wal"} <= set(modes)
    assert not any(modes.values()), modes
    assert "warning: keys and recordings travel over plain HTTP" in err


def test_every_setting_is_an_option(run: Run) -> None:
    from emotrace.server.settings import Settings
    from emotrace.server.settings_sources import settings_of

    code, out, _ = run("serve", "--help")
    assert code == 0
    for setting in settings_of(Settings):
        assert f"{setting.flag} " in out


def test_options_go_before_variables_and_can_be_switched_off(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTRACE_PRELOAD", "true")
    monkeypatch.setenv("EMOTRACE_QUEUE", "3")
    monkeypatch.setenv("EMOTRACE_TOKEN", TOKEN)
    code, out, _ = run("serve", "--show-settings", "--no-preload")
    assert code == 0
    assert {"preload = false", "queue = 3"} <= set(out.splitlines())
    assert TOKEN not in out
    (tmp_path / "emotrace.toml").write_text(out)
    monkeypatch.delenv("EMOTRACE_PRELOAD")
    assert run("serve", "--config", tmp_path / "emotrace.toml", "--show-settings")[1] == out
