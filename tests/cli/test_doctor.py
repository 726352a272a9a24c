from __future__ import annotations

import json
import sys
from pathlib import Path

import emotrace
from tests.cli.conftest import Run


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


def test_doctor_finds_a_damaged_model(run: Run, mine: Path) -> None:
    graph = next(mine.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-2] + b"\1\2")
    code, out, _ = run("doctor")
    assert code == 6
    assert "has another sha256" in out
    assert out.splitlines()[-1] == "there are problems, see above"
    report = json.loads(run("doctor", "--json")[1])
    assert [model["problem"] is None for model in report["models"]] == [False, True]
    assert "ModelError" in report["inference"]["problem"]
