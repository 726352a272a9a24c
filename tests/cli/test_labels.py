from __future__ import annotations

import json

from emotrace.labels import EMOTIONS
from tests.cli.conftest import Run


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
