"""Classic result folders made by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from emotrace.labels import LABELS

SURE = {"happy": 0.85, "neutral": 0.10, "sad": 0.05}
UNSURE = {"happy": 0.42, "neutral": 0.40, "sad": 0.18}


def record(scores: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    """What a classic ``result.json`` holds."""
    scores = {**dict.fromkeys(LABELS, 0.0), **(SURE if scores is None else scores)}
    best = max(scores, key=lambda label: scores[label])
    classic = {
        "emotion": best,
        "confidence": scores[best],
        "scores": scores,
        "granularity": "utterance",
        "timestamp": "2024-01-04 22:30:00",
    }
    return {**classic, **changes}


def put(root: Path, name: str, content: object = None) -> Path:
    """A result folder with a file of sound; ``content`` is its JSON, or text as it is."""
    folder = root / name
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(record() if content is None else content)
    (folder / "result.json").write_text(text, encoding="utf-8")
    (folder / "processed_audio.wav").write_bytes(os.fsencode(name))
    return folder


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder and its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def results(root: Path) -> list[str]:
    """Every visible result folder, as a place."""
    places = [root, root / "normal", root / "low_quality"]
    found = [path for place in places if place.is_dir() for path in place.iterdir()]
    return sorted(str(p.relative_to(root)) for p in found if p.name.startswith("outputs_"))
