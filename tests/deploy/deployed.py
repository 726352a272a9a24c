"""The files of deploy/, and what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy"


def text(name: str) -> str:
    """A file."""
    return (FOLDER / name).read_text("utf-8")


def documents(name: str) -> list[Any]:
    """All documents of a YAML file."""
    return list(yaml.safe_load_all(text(name)))


def variables(content: str) -> set[str]:
    """Names of settings whose variables are in a text."""
    found = re.findall(r"\bEMOTRACE_([A-Z_]+)\b", content)
    return {name.lower().removesuffix("_file") for name in found}
