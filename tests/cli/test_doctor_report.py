from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from emotrace.cli import doctor_report
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


def test_doctor_names_what_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_report, "_importable", lambda _: False)
    monkeypatch.setattr(doctor_report, "PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setitem(sys.modules, "av", None)
    code, out, _ = run("doctor")
    assert code == 6
    assert "no-such-package missing" in out
    assert "pip install 'emotrace[plot]'" in out
    assert "FFmpeg      missing" in out


def test_the_processor_is_read_from_what_linux_tells(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: Fast 9000\nflags\t\t: fpu avx2 avx512f zzz\n\nmodel name\t: Other\n")
    assert doctor_report.cpu(info)["name"] == "Fast 9000"
    assert doctor_report.cpu(info)["features"] == ["avx2", "avx512f"]
    info.write_text("Features\t: fp asimd asimddp\n")
    assert doctor_report.cpu(info)["features"] == ["asimd", "asimddp"]
    nothing = doctor_report.cpu(tmp_path / "none")
    assert nothing["features"] == []
    assert nothing["name"]


def test_the_packages_and_extras_are_those_of_the_project() -> None:
    tomllib: Any = pytest.importorskip("tomllib")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    def bare(requirement: str) -> str:
        return requirement.replace(">", " ").replace("<", " ").replace("=", " ").split()[0]

    always = [requirement for requirement in project["dependencies"] if ";" not in requirement]
    assert sorted(map(bare, always)) == sorted(doctor_report.PACKAGES)
    users = {name: rows for name, rows in project["optional-dependencies"].items() if name != "dev"}
    assert users.keys() == doctor_report.EXTRAS.keys()
    for name, requirements in users.items():
        modules = [MODULES.get(bare(r), bare(r)) for r in requirements]
        assert sorted(modules) == sorted(doctor_report.EXTRAS[name])
