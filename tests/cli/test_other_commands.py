from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import emotrace
from emotrace.cli import checks
from emotrace.cli.commands import root
from emotrace.labels import EMOTIONS
from emotrace.models.registry import builtin_folder
from emotrace.sample import sample_path
from tests.cli.conftest import Run

MODULES = {
    "scikit-learn": "sklearn",
    "huggingface-hub": "huggingface_hub",
    "pyyaml": "yaml",
    "python-multipart": "python_multipart",
    "prometheus-client": "prometheus_client",
    "pydantic-settings": "pydantic_settings",
    "psycopg[binary]": "psycopg",
    "ray[data]": "ray",
    "typing-extensions": "typing_extensions",
}
"""Modules that are called differently than their package."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of installed models with a copy of the built-in one, called ``mine``."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path))
    folder = tmp_path / "models" / "mine"
    shutil.copytree(builtin_folder(), folder)
    change(folder, name="mine")
    return folder


def change(folder: Path, **fields: object) -> None:
    """Change fields of a model's card."""
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


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


def test_labels(run: Run) -> None:
    code, out, _ = run("labels")
    assert code == 0
    assert [tuple(line.split()) for line in out.splitlines()] == [
        (str(i), e.emoji, e.name, e.zh, e.colour) for i, e in enumerate(EMOTIONS)
    ]


def test_labels_as_json(run: Run) -> None:
    rows = json.loads(run("labels", "--json")[1])
    assert rows[3] == {"index": 3, "name": "happy", "zh": "快乐", "emoji": "😊", "colour": "#E69F00"}
    assert len(rows) == 9


def test_the_sample_is_there(run: Run) -> None:
    code, out, _ = run("sample")
    assert code == 0
    assert Path(out.strip()) == sample_path()
    assert sample_path().stat().st_size > 1000


def test_a_missing_sample_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.sample.__file__", str(tmp_path / "__init__.py"))
    code, out, err = run("sample")
    assert (code, out) == (3, "")
    assert "install emotrace again" in err


def test_the_models_best_first(run: Run, home: Path) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[:1]] == [["*", "mine"]]
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  compact")] == ["compact"]
    assert run("models")[1] == out
    rows = json.loads(run("models", "list", "--json")[1])
    there = [(row["name"], row["default"]) for row in rows if row["installed"]]
    assert there == [("mine", True), ("compact", False)]
    assert rows[0]["folder"] == str(home)
    assert rows[1]["precisions"]


def test_a_broken_card_is_listed_with_its_problem(run: Run, home: Path) -> None:
    (home / "model.json").write_text("{}")
    code, out, _ = run("models", "list")
    assert code == 0
    assert "is not a valid model card" in out
    rows = json.loads(run("models", "list", "--json")[1])
    assert rows[0]["problem"]
    assert rows[1]["problem"] is None


def test_the_card_of_a_model(run: Run, home: Path) -> None:
    code, out, _ = run("models", "info", "compact")
    card = json.loads(run("models", "info", "compact", "--json")[1])
    assert code == 0
    for field in ("description", "licence", "intended_use", "not_for", "training_data"):
        assert card[field] in out
    assert card["folder"] == str(builtin_folder())
    for figure in card["figures"]:
        assert figure["name"] in out
    assert json.loads(run("models", "info", str(home), "--json")[1])["folder"] == str(home)


def test_the_figures_of_a_card(run: Run, home: Path) -> None:
    figure = {"name": "recall", "value": 0.654, "interval": [0.6, 0.7], "corpus": "EMO-DB", "split": "test"}
    change(home, figures=[figure, {**figure, "interval": None, "name": "error"}])
    out = run("models", "info", "mine")[1]
    assert "recall: 0.654 [0.600, 0.700] on EMO-DB, test" in out
    assert "error: 0.654 on EMO-DB, test" in out


def test_a_model_that_is_not_installed(run: Run) -> None:
    code, out, err = run("models", "info", "nope")
    assert (code, out) == (6, "")
    assert err.startswith("emotrace: model 'nope' is not installed")


def test_doctor_is_content(run: Run) -> None:
    code, out, _ = run("doctor")
    assert code == 0
    assert out.splitlines()[-1] == "all is well"
    assert f"emotrace {emotrace.__version__}, Python {sys.version.split()[0]}" in out
    report = json.loads(run("doctor", "--json")[1])
    assert report["ok"]
    assert report["inference"]["real_time_factor"] > 0
    assert report["inference"]["model"] == report["models"][0]["name"]
    assert all(report["packages"].values())


def test_doctor_finds_a_damaged_model(run: Run, home: Path) -> None:
    graph = next(home.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-2] + b"\1\2")
    code, out, _ = run("doctor")
    assert code == 6
    assert "has another sha256" in out
    assert out.splitlines()[-1] == "there are problems, see above"
    report = json.loads(run("doctor", "--json")[1])
    assert [model["problem"] is None for model in report["models"]] == [False, True]
    assert "ModelError" in report["inference"]["problem"]


def test_doctor_names_what_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_importable", lambda _: False)
    monkeypatch.setattr(checks, "PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setitem(sys.modules, "av", None)
    code, out, _ = run("doctor")
    assert code == 6
    assert "no-such-package missing" in out
    assert "pip install 'emotrace[plot]'" in out
    assert "FFmpeg      missing" in out


def test_the_processor_is_read_from_what_linux_tells(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: Fast 9000\nflags\t\t: fpu avx2 avx512f zzz\n\nmodel name\t: Other\n")
    assert checks.cpu(info)["name"] == "Fast 9000"
    assert checks.cpu(info)["features"] == ["avx2", "avx512f"]
    info.write_text("Features\t: fp asimd asimddp\n")
    assert checks.cpu(info)["features"] == ["asimd", "asimddp"]
    nothing = checks.cpu(tmp_path / "none")
    assert nothing["features"] == []
    assert nothing["name"]


def test_the_packages_and_extras_are_those_of_the_project() -> None:
    tomllib: Any = pytest.importorskip("tomllib")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    def bare(requirement: str) -> str:
        return requirement.replace(">", " ").replace("<", " ").replace("=", " ").split()[0]

    always = [requirement for requirement in project["dependencies"] if ";" not in requirement]
    assert sorted(map(bare, always)) == sorted(checks.PACKAGES)
    users = {name: rows for name, rows in project["optional-dependencies"].items() if name != "dev"}
    assert users.keys() == checks.EXTRAS.keys()
    for name, requirements in users.items():
        modules = [MODULES.get(bare(r), bare(r)) for r in requirements]
        assert sorted(modules) == sorted(checks.EXTRAS[name])
