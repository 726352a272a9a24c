"""Resident memory after 500 and after 5,000 short clips of many lengths, in one process.

``python benchmarks/leak.py [--model NAME] [--precision P] [--clips N] [--threads N] [--many] [--out FILE]``

The clips are cut from the shipped sample, 0.3 to 3 s long, each of another length. ``--many`` hands all of
them to ``recognize_many``, which recognises several at the same time. Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import material

EARLY = 500


def clips(count: int, seed: int = 0) -> Iterator[Any]:
    """Pieces of the sample as (samples, rate)."""
    rng = np.random.default_rng(seed)
    speech = material.speech()
    for _ in range(count):
        length = int(rng.uniform(0.3, 3.0) * 16_000)
        start = int(rng.integers(0, len(speech) - length))
        yield speech[start : start + length], 16_000


def rss_mb() -> float:
    """Resident memory of this process in MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--many", action="store_true", help="through recognize_many")
    parser.add_argument("--frames", action="store_true", help="emotion over time, too")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()

    from emotrace import Recognizer

    recognizer = Recognizer(args.model, precision=args.precision, threads=args.threads)
    options = {"frames": args.frames}
    sources = clips(args.clips)
    results: Iterator[Any] = (
        recognizer.recognize_many(sources, **options)
        if args.many
        else (recognizer.recognize(source, **options) for source in sources)
    )
    started, early, failures = time.perf_counter(), 0.0, 0
    for done, result in enumerate(results, 1):
        failures += not hasattr(result, "scores")
        if done == EARLY:
            early = rss_mb()
    late = rss_mb()
    info = recognizer.info
    figures = {
        "model": f"{info.name}, {info.precision}, {info.device}, {info.runtime}",
        "clips": args.clips,
        "failures": failures,
        "seconds": round(time.perf_counter() - started, 1),
        f"RSS after {EARLY}, MB": round(early, 1),
        f"RSS after {args.clips}, MB": round(late, 1),
        "growth": round(late / early - 1, 4),
    }
    print(json.dumps(figures, indent=2))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
