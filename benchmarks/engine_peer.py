"""FunASR as a worker of `benchmarks/engine.py`, in an environment of its own; imports nothing of ours.

python benchmarks/engine_peer.py CHECKPOINT THREADS serve        # a path of an .npy on each line of stdin
python benchmarks/engine_peer.py CHECKPOINT THREADS list FILE    # recordings named in FILE, once, then exit
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def load(checkpoint: str, threads: int, device: str = "cpu") -> Any:
    """FunASR's model of a checkpoint, quiet."""
    import torch
    from funasr import AutoModel

    logging.disable(logging.INFO)
    model = AutoModel(
        model=checkpoint,
        device=device,
        ncpu=threads,
        disable_update=True,
        disable_pbar=True,
        disable_log=True,
    )
    torch.set_num_threads(threads)
    return model


def serve(model: Any) -> None:
    """Answer each clip with seconds of wall clock and of CPU."""
    answers = sys.stdout
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        print(json.dumps("ready"), file=answers, flush=True)
        for line in sys.stdin:
            clip = np.load(line.strip())
            started, used = time.perf_counter(), time.process_time()
            model.generate(clip, granularity="utterance", extract_embedding=False)
            timed = [time.perf_counter() - started, time.process_time() - used]
            print(json.dumps(timed), file=answers, flush=True)


def main() -> None:
    """Serve, or recognise a list."""
    checkpoint, threads, what, *rest = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        model = load(checkpoint, int(threads))
    if what == "serve":
        serve(model)
    else:
        names = Path(rest[0]).read_text().splitlines()
        model.generate(names, granularity="utterance", extract_embedding=False)


if __name__ == "__main__":
    main()
