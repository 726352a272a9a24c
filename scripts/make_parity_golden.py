"""Make tests/models/golden/emotion2vec_tiny.npz: what FunASR says about a tiny random network.

Runs in FunASR's environment, which ``make peer`` makes:
``.venv-peer/bin/python scripts/make_parity_golden.py``.
The weights are those of ``tests/models/checkpoints.py`` (``TINY``, seed 0), the clips its ``noise``.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.models.checkpoints import TINY, noise, random_weights, weights_sum, write_checkpoint  # noqa: E402
from tests.peer.oracle import FunASR  # noqa: E402

SAMPLES = (480, 1_600, 16_000, 40_017)


def main() -> None:
    """Ask FunASR and write the file."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        oracle = FunASR(write_checkpoint(Path(folder), TINY))
        arrays: dict[str, Any] = {"samples": np.array(SAMPLES)}
        arrays["weights_sum"] = np.array(weights_sum(random_weights(TINY)))
        for i, samples in enumerate(SAMPLES):
            answer = oracle.generate(noise(samples / 16_000, seed=i))
            arrays[f"frames_{i}"] = answer.frames.astype(np.float32)
            arrays[f"scores_{i}"] = answer.scores.astype(np.float32)
    out = ROOT / "tests" / "models" / "golden" / "emotion2vec_tiny.npz"
    out.parent.mkdir(exist_ok=True)
    np.savez_compressed(out, **arrays)
    print(f"{out}: {out.stat().st_size} bytes, {oracle.version}")


if __name__ == "__main__":
    main()
