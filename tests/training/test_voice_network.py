from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from emotrace.segmentation.bands import BANDS
from emotrace.training import sound_network, voice_network
from emotrace.training.sounds import Shelf


def test_the_voice_network_learns_and_is_written(shelves: dict[int, Shelf], tmp_path: Path) -> None:
    network = voice_network.fit(shelves, 2)
    sound_network.write_graph(network, ("embedding",), tmp_path / "voices.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "voices.onnx")
    [embeddings] = session.run(None, {"bands": np.zeros((2, 50, BANDS), np.float32)})
    assert embeddings.shape == (2, voice_network.EMBEDDING)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)
