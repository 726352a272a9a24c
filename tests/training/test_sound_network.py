from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from emotrace.segmentation.bands import BANDS
from emotrace.training import sound_network
from emotrace.training.sounds import Shelf


def test_the_sound_network_learns_and_is_written(shelves: dict[int, Shelf], tmp_path: Path) -> None:
    network = sound_network.fit(shelves, 3, batch=4)
    sound_network.write_graph(network, ("logits", "snr"), tmp_path / "sounds.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "sounds.onnx")
    bands = np.random.default_rng(0).normal(-8, 2, (3, 70, BANDS)).astype(np.float32)
    logits, snr = session.run(None, {"bands": bands})
    with torch.no_grad():
        expected = network(torch.from_numpy(bands))
    assert np.allclose(logits, expected[0].numpy(), atol=1e-2)
    assert np.allclose(snr, expected[1].numpy(), atol=0.1)
