"""Time of the quality filter over many result folders.

``python benchmarks/filter.py [--folders 10000] [--repeats 3]``: median seconds of the command, from start to
exit and of a core, for the first sort, a second one that finds nothing to do, and the undo.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.process import emotrace
from emotrace.labels import LABELS


def make(root: Path, folders: int, seed: int = 0) -> None:
    """Classic result folders with random scores."""
    chance = random.Random(seed)
    for number in range(folders):
        folder = root / f"outputs_20240104_{number:06d}"
        folder.mkdir(parents=True)
        weights = [chance.random() ** 8 for _ in LABELS]
        scores = {label: weight / sum(weights) for label, weight in zip(LABELS, weights, strict=True)}
        best = max(scores, key=lambda label: scores[label])
        record = {"emotion": best, "confidence": scores[best], "scores": scores}
        stamp = {"granularity": "utterance", "timestamp": "2024-01-04 22:30:00"}
        (folder / "result.json").write_text(json.dumps(record | stamp, indent=2), encoding="utf-8")
        (folder / "processed_audio.wav").write_bytes(bytes(44))


def seconds(*arguments: str) -> tuple[float, float]:
    """How long the command takes, and how long it keeps a core busy."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(emotrace(*arguments), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, busy


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {"sort": [], "sort again": [], "undo": []}
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), options.folders)
        for _ in range(options.repeats):
            times["sort"].append(seconds("filter", name))
            times["sort again"].append(seconds("filter", name))
            times["undo"].append(seconds("filter", name, "--undo"))
    for what, values in times.items():
        wall, busy = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{what:<12} {options.folders} folders  {wall:6.2f} s  {busy:6.2f} s of a core")


if __name__ == "__main__":
    main()
