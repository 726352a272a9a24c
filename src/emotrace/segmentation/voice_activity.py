"""Voice activity by Silero VAD (MIT, https://github.com/snakers4/silero-vad).

Its graph is rebuilt for many chunks at a time by ``scripts/make_voice_activity.py``.
"""

from __future__ import annotations

import numpy as np

from emotrace.results import Array
from emotrace.segmentation.networks import infer

CHUNK = 512
"""Samples of one decision: 32 ms at 16 kHz."""

CONTEXT = 64
"""Samples before a chunk that the network looks at, too."""

UNITS = 128
MOST = 64
"""Chunks of one run; bounds memory."""


class VoiceActivity:
    """Probability of speech for each 32 ms of a stream; any chunking gives the same.

    >>> import numpy as np
    >>> detector = VoiceActivity()
    >>> detector.feed(np.zeros(1000, np.float32)).shape, detector.finish().shape
    ((1,), (1,))
    """

    def __init__(self) -> None:
        self._rest: Array = np.zeros(CONTEXT, np.float32)  # begins with the context of the next chunk
        self._hidden: Array = np.zeros((1, 1, UNITS), np.float32)
        self._cell: Array = self._hidden

    def feed(self, samples: Array) -> Array:
        """Probabilities, float32 (chunks,), of the chunks that are complete now."""
        samples = np.concatenate([self._rest, np.asarray(samples, np.float32)])
        whole = (len(samples) - CONTEXT) // CHUNK
        self._rest = samples[whole * CHUNK :].copy()
        if not whole:
            return np.zeros(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + CHUNK)[::CHUNK]
        parts = [self._run(windows[first : first + MOST]) for first in range(0, whole, MOST)]
        return np.concatenate(parts)

    def finish(self) -> Array:
        """Probability of the last chunk, filled up with zeros: float32 (1,); (0,) if none is incomplete."""
        if len(self._rest) == CONTEXT:
            return np.zeros(0, np.float32)
        return self.feed(np.zeros(CONTEXT + CHUNK - len(self._rest), np.float32))

    def _run(self, windows: Array) -> Array:
        probabilities, self._hidden, self._cell = infer(
            "voice_activity", chunks=np.ascontiguousarray(windows), hidden=self._hidden, cell=self._cell
        )
        return probabilities[:, 0]
