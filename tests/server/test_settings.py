from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import OptionError
from emotrace.server.settings import Settings
from emotrace.server.settings_sources import settings_of, toml_of

TOKEN = "correct-horse-battery"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "emotrace.toml"
    path.write_text("queue = 1\nworkers = 1\nmax_bytes = 1\npreload = true\n")
    return path


def test_a_flag_goes_before_a_variable_before_the_file_before_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTRACE_CONFIG", str(file))
    monkeypatch.setenv("EMOTRACE_WORKERS", "2")
    monkeypatch.setenv("EMOTRACE_MAX_BYTES", "2")
    monkeypatch.setenv("EMOTRACE_PRELOAD", "")  # as good as not set
    monkeypatch.setenv("EMOTRACE_HOME", "/elsewhere")  # no setting of the service
    settings = Settings.of(max_bytes="3")
    assert (settings.max_bytes, settings.workers, settings.queue, settings.port) == (3, 2, 1, 7860)
    assert settings.preload


@pytest.mark.parametrize("way", ["flag", "variable", "file"])
def test_a_secret_comes_from_a_file(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, config = tmp_path / "token", tmp_path / "emotrace.toml"
    secret.write_text(TOKEN + "\n")
    config.write_text(f'token_file = "{secret}"')
    given: dict[str, dict[str, Any]] = {"flag": {"token_file": str(secret)}, "file": {"config": str(config)}}
    if way == "variable":
        monkeypatch.setenv("EMOTRACE_TOKEN_FILE", str(secret))
    settings = Settings.of(**given.get(way, {}))
    assert settings.token is not None
    assert settings.token.get_secret_value() == TOKEN


def test_a_wrong_value_is_told_with_its_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("queue = -1")
    with pytest.raises(OptionError, match=r"queue is -1; .* \(in '.*emotrace.toml'\)$"):
        Settings.of(config=str(file))
    monkeypatch.setenv("EMOTRACE_PORT", "tcp://10.0.0.1:7860")
    with pytest.raises(OptionError, match=r"\(the variable EMOTRACE_PORT\)$"):
        Settings.of()


@pytest.mark.parametrize(
    ("content", "said"),
    [("queue = ", "are no TOML"), ("[a]\nqueue = 1", "no setting 'a'"), ("prot = 1", "no setting 'prot'")],
)
def test_a_file_that_is_not_right_is_refused(content: str, said: str, file: Path) -> None:
    file.write_text(content)
    with pytest.raises(OptionError, match=said):
        Settings.of(config=file)
    with pytest.raises(OptionError, match="cannot be read"):
        Settings.of(config=file.parent / "none")


def test_what_is_shown_can_be_read_again(file: Path) -> None:
    settings = Settings.of(config=file, presets=Path("my presets.toml"))
    file.write_text(toml_of(settings))
    assert Settings.of(config=file) == settings


def test_every_setting_is_explained_once() -> None:
    found = list(settings_of(Settings))
    assert sorted(setting.name for setting in found) == sorted(Settings.model_fields)
    assert all(setting.text.endswith(".") for setting in found)
    assert len({setting.flag for setting in found}) == len(found)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"token": "x" * 15}, "15 characters; expected at least 16"),
        ({"token": "two words and more of them"}, "spaces"),
        ({"token": "geheimnis-über-alles"}, "ASCII"),
        ({"port": 70000}, "port is 70000"),
        ({"port": "soon"}, "^setting port is 'soon'; expected a valid integer$"),
        ({"workers": -1}, "workers"),
        ({"deadline_seconds": 0}, "deadline_seconds"),
        ({"max_seconds": math.inf}, "max_seconds"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"device": "tpu"}, "device"),
        ({"colour": "red"}, "there is no setting 'colour'"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        Settings.of(**values)
    assert "\n" not in str(caught.value)
    assert "über" not in str(caught.value)


def test_a_token_is_never_shown() -> None:
    settings = Settings.of(token=TOKEN)
    assert "horse" not in repr(settings) + str(settings) + settings.model_dump_json() + toml_of(settings)
