"""What the package says about itself."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

import emotrace

ROOT = Path(__file__).parents[1]
PACKAGE = Path(emotrace.__file__).parent
PYPROJECT = ROOT / "pyproject.toml"

needs_checkout = pytest.mark.skipif(not PYPROJECT.is_file(), reason="not run in a checkout")


def project() -> dict[str, object]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
    content: dict[str, object] = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return content


def names(requirements: object) -> set[str]:
    assert isinstance(requirements, list)
    return {re.split(r"[<>=!~;\[ ]", requirement)[0] for requirement in requirements}


def test_the_version_is_one_and_the_same() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([ab]\d+|rc\d+|\.dev\d+)?", emotrace.__version__)
    try:
        assert metadata.version("emotrace") == emotrace.__version__
    except metadata.PackageNotFoundError:
        pytest.skip("emotrace is not installed, only on the path")


def test_the_package_is_typed_and_has_its_model() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "models" / "builtin" / "compact" / "model.json").is_file()


@needs_checkout
def test_the_base_install_has_no_torch_and_nothing_of_the_web() -> None:
    base = names(project()["dependencies"])
    assert base >= {"numpy", "onnxruntime", "av", "soxr", "pydantic", "typer", "rich"}
    assert not base & {
        "torch",
        "gradio",
        "fastapi",
        "scikit-learn",
        "scipy",
        "matplotlib",
        "librosa",
        "pandas",
    }


@needs_checkout
def test_what_is_imported_is_declared() -> None:
    content = project()
    extras = content["optional-dependencies"]
    assert isinstance(extras, dict)
    declared = {name.replace("-", "_").lower() for name in names(content["dependencies"])}
    for extra in extras.values():
        declared |= {name.replace("-", "_").lower() for name in names(extra)}
    if "scikit_learn" in declared:
        declared |= {"sklearn", "scipy"}  # which it needs itself
    if "pyyaml" in declared:
        declared.add("yaml")
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    assert found - set(sys.stdlib_module_names) - {"emotrace"} <= declared


@needs_checkout
def test_the_licence_is_there_and_named() -> None:
    assert project()["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


@needs_checkout
def test_the_command_exists() -> None:
    scripts = project()["scripts"]
    assert isinstance(scripts, dict)
    module, _, function = scripts["emotrace"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
