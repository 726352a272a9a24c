"""``emotrace models list`` and ``info``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emotrace.models.package import CARD_FILE
from emotrace.models.registry import builtin_folder
from tests.cli.conftest import Run, change_card, listed
from tests.models.hub_server import COMMIT
from tests.models.packages import package

LARGE = "emotion2vec_plus_large"


def test_the_list_has_what_is_there_and_what_can_be_pulled(run: Run, home: Path) -> None:
    package(home / "models" / LARGE, name=LARGE)
    found = listed(run)
    assert list(found)[:2] == [LARGE, "compact"]
    assert (found[LARGE]["installed"], found[LARGE]["default"], found[LARGE]["pull"]) == (True, True, None)
    assert found[LARGE]["bytes"] == (home / "models" / LARGE / "tiny.onnx").stat().st_size
    base = found["emotion2vec_plus_base"]
    assert (base["installed"], base["folder"]) == (False, None)
    assert base["pull"] == "emotrace models pull emotion2vec_plus_base"
    text = run("models", "list")[1]
    assert f"* {LARGE}" in text
    assert str(home / "models" / LARGE) in text
    assert "can be pulled (FunASR Model Open Source License Agreement 1.1):" in text
    assert f"emotrace models pull {LARGE}" not in text


@pytest.mark.parametrize("damage", ["card", "short", "gone"])
def test_damaged_packages_do_not_hide_the_others(run: Run, home: Path, damage: str) -> None:
    folder = home / "models" / "mine"
    package(folder, name="mine")
    if damage == "card":
        (folder / CARD_FILE).write_text('{"name": 1}')
    elif damage == "short":
        (folder / "tiny.onnx").write_bytes(b"x")
    else:
        (folder / "tiny.onnx").unlink()
    found = listed(run)
    assert found["mine"]["problem"]
    assert found["compact"]["problem"] is None
    assert found["mine"]["problem"] in run("models", "list")[1]
    assert run("models", "info", "compact")[0] == 0
    code, out, err = run("models", "info", "mine")
    if damage == "card":
        assert (code, out) == (6, "")
        assert "is not a valid model card" in err
    else:
        assert code == 0
        assert "problem            model 'mine':" in out
    code, out, _ = run("models", "verify")
    assert code == 6
    assert "mine: NOT right" in out
    assert "compact: all is right" in out
    reports = json.loads(run("models", "verify", "mine", "--json")[1])
    assert [report["passed"] for report in reports] == [False]
    assert run("models", "remove", "mine", "--yes")[0] == 0
    assert "mine" not in listed(run)


def test_info_shows_where_a_model_comes_from_and_what_was_measured(run: Run, home: Path) -> None:
    provenance = {
        "hub": "modelscope",
        "origin": f"iic/{LARGE}",
        "revision": COMMIT,
        "checkpoint_sha256": "ab" * 32,
        "checkpoint_bytes": 1_950_000_000,
        "converted_with": "emotrace 0.1.0",
    }
    int8 = {
        "utterance_agreement": 0.998,
        "frame_agreement": 0.97,
        "utterance_change": 0.004,
        "frame_change": 0.05,
        "speed_ratio": 1.75,
        "clips": 40,
        "speech": "synthetic speech",
        "cpu": "a CPU",
        "instructions": "none",
        "runtime": "onnxruntime 1",
    }
    package(home / "models" / "mine", name="mine", provenance=provenance, int8=int8, attribution="By them.")
    out = run("models", "info", "mine")[1]
    assert f"iic/{LARGE} at {COMMIT} (modelscope)" in out
    assert f"1.9 GB, sha256 {'ab' * 32}, converted with emotrace 0.1.0" in out
    assert "99.8% of clips and 97.0% of frames" in out
    assert "OUTSIDE its bound (99%, 0.03); 1.75 times as fast" in out
    assert "attribution        By them." in out


def test_the_models_best_first(run: Run, mine: Path) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[:1]] == [["*", "mine"]]
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  compact")] == ["compact"]
    assert run("models")[1] == out
    rows = json.loads(run("models", "list", "--json")[1])
    there = [(row["name"], row["default"]) for row in rows if row["installed"]]
    assert there == [("mine", True), ("compact", False)]
    assert rows[0]["folder"] == str(mine)
    assert rows[1]["precisions"]


def test_a_broken_card_is_listed_with_its_problem(run: Run, mine: Path) -> None:
    (mine / "model.json").write_text("{}")
    code, out, _ = run("models", "list")
    assert code == 0
    assert "is not a valid model card" in out
    rows = json.loads(run("models", "list", "--json")[1])
    assert rows[0]["problem"]
    assert rows[1]["problem"] is None


def test_the_card_of_a_model(run: Run, mine: Path) -> None:
    code, out, _ = run("models", "info", "compact")
    card = json.loads(run("models", "info", "compact", "--json")[1])
    assert code == 0
    for field in ("description", "licence", "intended_use", "not_for", "training_data"):
        assert card[field] in out
    assert card["folder"] == str(builtin_folder())
    for figure in card["figures"]:
        assert figure["name"] in out
    assert json.loads(run("models", "info", str(mine), "--json")[1])["folder"] == str(mine)


def test_the_figures_of_a_card(run: Run, mine: Path) -> None:
    figure = {"name": "recall", "value": 0.654, "interval": [0.6, 0.7], "corpus": "EMO-DB", "split": "test"}
    change_card(mine, figures=[figure, {**figure, "interval": None, "name": "error"}])
    out = run("models", "info", "mine")[1]
    assert "recall: 0.654 [0.600, 0.700] on EMO-DB, test" in out
    assert "error: 0.654 on EMO-DB, test" in out


def test_a_model_that_is_not_installed(run: Run) -> None:
    code, out, err = run("models", "info", "nope")
    assert (code, out) == (6, "")
    assert err.startswith("emotrace: model 'nope' is not installed")
