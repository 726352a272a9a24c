"""``emotrace keys``."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from emotrace.cli.keys import SCOPES
from emotrace.server.access import authentication
from emotrace.server.access import callers as access
from tests.cli.conftest import Run
from tests.server.served import live, wait_for


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTRACE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def made(run: Run, *arguments: str) -> tuple[str, str]:
    """A new key and its id."""
    code, out, err = run("keys", "create", *arguments)
    assert code == 0, err
    found = re.fullmatch(r"emo_([0-9a-f]{12})_[A-Za-z0-9_-]{43}\n", out)
    assert found, out
    return out.strip(), found[1]


def test_a_key_is_made_listed_and_revoked(run: Run, folder: Path) -> None:
    assert "there are no keys" in run("keys")[2]
    _, first = made(run, "phone", "--rate", "60", "--concurrency", "2", "--expires", "90d")
    key, second = made(run, "boss 老板", "--scope", "admin", "--scope", "models")
    code, out, err = run("keys", "list")
    head, one, two = out.splitlines()
    assert (code, err, head.split()[:3]) == (0, "", ["ID", "NAME", "SCOPES"])
    assert one.split()[:5] == [first, "phone", "history,recognize", "60", "2"]
    assert "good until 20" in one
    assert two.startswith(f"{second}  boss 老板")
    assert "admin,models" in two
    assert two.endswith("good")
    assert key not in out
    code, out, err = run("keys", "revoke", first)
    assert (code, out) == (0, "")
    assert f"key {first} is revoked" in err
    assert "revoked 20" in run("keys", "list")[1]
    assert run("keys", "revoke", first)[0] != 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "x", "--scope", "all"), "there is no scope 'all'; expected recognize, history"),
        (("create", "x", "--expires", "soon"), "--expires is 'soon'; expected a time such as 12h"),
        (("create", "x", "--expires", "0d"), "expires is '0d'"),
        (("create", "x", "--expires", "9999999w"), "expires is '9999999w'"),
        (("create", "x", "--rate", "-1"), "greater than or equal to 0"),
        (("create", " "), "is no name"),
        (("create", "two\nlines"), r"'two\nlines' is no name"),
        (("revoke", "../etc"), "there is no key '../etc' that is good"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    arguments: tuple[str, ...], said: str, run: Run, folder: Path
) -> None:
    code, out, err = run("keys", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_keys_take_effect_while_the_service_runs(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "FRESH_SECONDS", 0.1)
    with live() as url:

        def status(key: str | None = None) -> int:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            return int(httpx2.get(f"{url}/v1/models", headers=headers).status_code)

        assert status() == 200
        key, identifier = made(run, "phone")
        wait_for(lambda: status() == 401, "a key is asked for")
        assert status(key) == 200
        assert run("keys", "revoke", identifier)[0] == 0
        wait_for(lambda: status(key) == 401, "the key is no good any more")


def test_what_is_written_is_for_its_user_alone(run: Run, folder: Path) -> None:
    folder.mkdir(mode=0o755)
    made(run, "phone")
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()} == {"emotrace.db": 0}


def test_the_folder_may_be_named(run: Run, folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "emotrace.toml"
    config.write_text(f'data_dir = "{tmp_path / "elsewhere"}"\n')
    made(run, "here", "--data-dir", str(tmp_path / "elsewhere"))
    assert "here" in run("keys", "list", "--data-dir", str(tmp_path / "elsewhere"))[1]
    assert run("keys", "list")[1] == ""
    assert run("keys", "list", "--config", str(tmp_path / "none.toml"))[0] == 2


def test_the_scopes_are_those_of_the_service() -> None:
    assert access.SCOPES == SCOPES
