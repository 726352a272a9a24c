"""A track that goes over from one emotion to another."""

from __future__ import annotations

import numpy as np

from emotrace.postprocess.smoothing import Rows


def drifting() -> Rows:
    """One second from happy to sad, the logarithms in straight lines, then sad."""
    logs = np.zeros((60, 9))
    logs[:, 3] = np.interp(np.arange(60), [15, 40], [3, -3])
    logs[:, 6] = -logs[:, 3]
    return np.exp(logs)
