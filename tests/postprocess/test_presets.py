"""Presets, built in and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.errors import InputError, OptionError
from emotrace.postprocess.presets import BUILTIN, find_preset, presets, read_presets
from emotrace.postprocess.rules import CLASSIC_DROPS, Rules


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without presets."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_what_comes_with_emotrace() -> None:
    confidence = {name: preset.rules.min_confidence for name, preset in BUILTIN.items()}
    assert confidence == {
        "default": 0.6,
        "classic": 0.6,
        "customer-service": 0.7,
        "screening": 0.5,
        "social-robot": 0.6,
    }
    classic = BUILTIN["classic"].rules
    thresholds = classic.model_dump(exclude={"drop"}, exclude_none=True)
    assert thresholds == {"min_confidence": 0.6, "min_gap": 0.05, "min_top_score": 0.3}
    assert classic.drop == CLASSIC_DROPS
    assert all(preset.description for preset in BUILTIN.values())


def test_a_file_of_presets(tmp_path: Path) -> None:
    file = write(
        tmp_path / "mine.toml",
        """
["夜班"]
extends = "night"
min_gap = 0.1

[night]
extends = "customer-service"
description = "calls at night"
min_snr_db = "off"
drop = ["music"]
""",
    )
    found = presets(file)
    night, chinese = found["night"].rules, found["夜班"].rules
    assert (night.min_confidence, night.min_bandwidth_hz, night.min_snr_db) == (0.7, None, None)
    assert night.drop == {"music"}
    assert chinese == night.with_changes(min_gap=0.1)
    assert (found["night"].description, found["night"].origin) == ("calls at night", str(file))
    assert list(found)[:5] == list(BUILTIN)


def test_the_file_of_the_user_and_one_that_goes_before_it(home: Path, tmp_path: Path) -> None:
    write(home / "presets.toml", "[mine]\nmin_gap = 0.2\n[base]\nmin_confidence = 0.9\n")
    file = write(tmp_path / "more.toml", '[mine]\nextends = "base"\n')
    assert find_preset("mine").rules.min_gap == 0.2
    mine = find_preset("mine", file).rules
    assert (mine.min_gap, mine.min_confidence) == (0.05, 0.9)
    with pytest.raises(
        OptionError, match=r"no preset 'other'; expected one of default, classic, .*, mine, base"
    ):
        find_preset("other")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a]\n\nmin_gapp = 1", "line 3: there is no threshold 'min_gapp'"),
        ('[b]\n[a]\nmin_gap = "x"', "line 3: min_gap is 'x'; expected a number, or \"off\""),
        ("[a]\nmin_gap = true", "line 2: min_gap is True; expected a number"),
        ("[a]\nmin_gap = 2", "line 2: min_gap is 2; expected less than or equal to 1"),
        ("[a]\nmin_gap = [1]", "line 2: min_gap is"),
        ("[a]\nmin_gap = nan", "line 2: min_gap is nan; expected a finite number"),
        (
            '[a]\n# min_gap = 1\nmin_gap = 0.1\nextends = "zz"',
            "line 4: extends is 'zz'; expected one of default",
        ),
        ("[a]\nextends = 3", "line 2: extends is 3"),
        ('[a]\nextends = "b"\n[b]\nextends = "a"', "line 4: 'b' extends itself"),
        ('[a]\nextends = "a"', "line 2: 'a' extends itself"),
        ('[a]\ndrop = ["quiet"]', "line 2: drop is .*there is no rule 'quiet'"),
        ('[a]\ndrop = "music"', "line 2: drop is 'music'; expected a list"),
        ("[a]\ndescription = 1", "line 2: description is 1; expected a text"),
        ("[classic]\nmin_gap = 0.2", "line 1: the preset 'classic' comes with emotrace"),
        ("[a.b]\nmin_gap = 1", "line 1: there is no threshold 'b'"),
        ("a.min_gap = 7", "line 1: min_gap is 7"),
        ("\nmin_gap = 0.1", "line 2: min_gap stands alone; expected tables"),
        ("[a\nmin_gap = 1", r"line 1: expected '\]'"),
        ("[a]\nmin_gap = 1\nmin_gap = 2", "line 3: "),
        ("[a]\nmin_gap =", "line 2: "),
        ("[a]\nx = " + "[" * 5000, "nested too deeply|line 2"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_line(text: str, sentence: str, tmp_path: Path) -> None:
    file = write(tmp_path / "bad.toml", text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_presets(file)
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message


def test_files_that_are_none(tmp_path: Path, home: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: no such file"):
        presets(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="cannot be read: is a directory"):
        presets(tmp_path)
    (tmp_path / "latin.toml").write_bytes("[a]\n# Gr\xfc\xdfe\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 2: expected UTF-8"):
        presets(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="is larger than"):
        presets(tmp_path / "large.toml")
    (home / "presets.toml").symlink_to("nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        presets()


def test_an_empty_file_and_a_byte_order_mark(tmp_path: Path) -> None:
    assert read_presets(write(tmp_path / "empty.toml", "")) == {}
    (tmp_path / "bom.toml").write_text("[a]\nmin_gap = 0\n", encoding="utf-8-sig")
    assert read_presets(tmp_path / "bom.toml")["a"].rules == Rules(min_gap=0)
