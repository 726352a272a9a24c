"""From a recording or a live stream to judged results: recognition, checks, smoothing, segments, verdict.

The one place where these are put together; command line, server and batches call it.
"""

from __future__ import annotations

from emotrace.pipeline.judging import judged
from emotrace.pipeline.options import PipelineOptions
from emotrace.pipeline.recordings import analyse, analyse_many
from emotrace.pipeline.streams import Stream, stream

__all__ = ["PipelineOptions", "Stream", "analyse", "analyse_many", "judged", "stream"]
