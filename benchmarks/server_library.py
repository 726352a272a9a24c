"""The library called directly, as a worker of `benchmarks/server.py`.

python benchmarks/server_library.py MODEL PRECISION WORKERS FILE ...    # seconds on each line of stdin
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from emotrace.models.cpu import cores
from emotrace.pipeline import analyse_many
from emotrace.recognition import Recognizer
from emotrace.results import Recognition


def recognise(recognizer: Recognizer, files: list[Path], seconds: float, workers: int) -> dict[str, float]:
    """Recognise the files again and again for so long."""
    started, used = time.perf_counter(), sum(os.times()[:2])
    sources: Iterator[Path] = itertools.takewhile(
        lambda _: time.perf_counter() - started < seconds, itertools.cycle(files)
    )
    done = 0
    for result in analyse_many(recognizer, sources, workers=workers):
        assert isinstance(result, Recognition)
        done += 1
    wall = time.perf_counter() - started
    return {"rate": done / wall, "cpu_ms": (sum(os.times()[:2]) - used) / done * 1000}


def main() -> None:
    """Answer each line."""
    model, precision, workers, *files = sys.argv[1:]
    count = int(workers)
    recognizer = Recognizer(model, precision=precision, threads=1 if count else cores())
    paths = [Path(file) for file in files]
    recognise(recognizer, paths, 0.5, count)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(recognise(recognizer, paths, float(line), count)), flush=True)


if __name__ == "__main__":
    main()
