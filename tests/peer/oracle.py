"""FunASR's own emotion2vec, run as its users run it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What FunASR says about one clip: frames (T, D), and scores (C,) of those labels that are in use."""

    frames: NDArray[np.float32]
    scores: NDArray[np.float64]
    labels: list[str]


class FunASR:
    """A checkpoint folder loaded by ``funasr.AutoModel``, on the CPU."""

    def __init__(self, folder: Path) -> None:
        import funasr

        logging.disable(logging.INFO)
        self.version = f"funasr {funasr.__version__}"
        self._model: Any = funasr.AutoModel(model=str(folder), disable_update=True, device="cpu")

    def weights(self) -> dict[str, Any]:
        """Its tensors by name, to see that it loaded ours and not random ones of its own."""
        return dict(self._model.model.state_dict())

    def generate(self, clip: NDArray[np.float32]) -> Answer:
        """What ``generate`` says; it never cuts a clip."""
        [found] = self._model.generate(
            clip, granularity="frame", extract_embedding=True, disable_pbar=True, output_dir=None
        )
        return Answer(found["feats"], np.array(found["scores"]), found["labels"])
