"""What can be told from a recognition alone: smoothed track, segments, change points, verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emotrace.errors import OptionError
from emotrace.pipeline.options import PipelineOptions
from emotrace.postprocess.methods import smooth, smoother_of
from emotrace.postprocess.options import SmoothingOptions, prior_of
from emotrace.postprocess.segments import change_points, segments_of, time_shares
from emotrace.postprocess.verdict import judge
from emotrace.results import EmotionTrack, Recognition, Smoothing

_CHAINS = ("hmm", "hmm-online", "viterbi")
"""The methods that know a class prior."""


def judged(result: Recognition, options: PipelineOptions | None = None) -> Recognition:
    """A recognition with what can be told from it alone: smoothed track, segments, change points, verdict.

    Its emotion, confidence and scores stay those of the whole recording.

    Args:
        result: as :meth:`emotrace.Recognizer.recognize` gave it.
        options: None is ``PipelineOptions()``; ``recognition`` and ``checks`` have no effect any more.

    Returns:
        The same with ``change_points`` and what the options ask for. With smoothing there are ``smoothed``
        and ``smoothing``, and ``segments`` and ``shares`` are those of the smoothed track, with scores of the
        track before it; without, they stay: stretches between pauses, if it was cut there. The verdict's rule
        about switches of the label looks at the smoothed track, without one at the track.

    Raises:
        OptionError: there is no track to be smoothed.

    >>> from emotrace.models.encoder import FakeEncoder
    >>> from emotrace.recognition import Recognizer
    >>> tone = np.repeat(np.float32([3 / 8, 6 / 8]), 32000) * np.tile(np.float32([1, -1]), 32000)
    >>> result = Recognizer(encoder=FakeEncoder()).recognize((tone, 16000), frames=True)
    >>> options = PipelineOptions.of(smoothing={"method": "median"})
    >>> [segment.emotion for segment in judged(result, options).segments][::2]
    ['happy', 'sad']
    """
    options = options or PipelineOptions()
    result = _smoothed(result, options)
    result = replace(result, change_points=change_points(result.segments))
    if options.rules is None:
        return result
    seen = replace(result, track=result.smoothed or result.track)
    return replace(result, verdict=judge(seen, result.quality, options.rules))


def with_prior(smoothing: SmoothingOptions, model: str) -> SmoothingOptions:
    """The options with the prior of the model, if they have none of their own and one is known."""
    prior = prior_of(model)
    if prior is None or smoothing.prior is not None or smoothing.method not in _CHAINS:
        return smoothing
    return smoothing.model_copy(update={"prior": prior})


def _smoothed(result: Recognition, options: PipelineOptions) -> Recognition:
    if options.smoothing is None:
        return result
    if result.track is None:
        raise OptionError("there is no emotion over time to be smoothed; recognise with frames=True")
    smoothing = with_prior(options.smoothing, result.model.name)
    track = smooth(result.track, smoothing)
    segments = segments_of(track, options.segments, scores=_steps(result.track, track))
    latency = smoother_of(smoothing, result.track.hop).latency
    return replace(
        result,
        smoothed=track,
        smoothing=Smoothing(smoothing.method, latency.seconds),
        segments=segments,
        shares=time_shares(segments),
    )


def _steps(track: EmotionTrack, smoothed: EmotionTrack) -> EmotionTrack:
    """The steps of a track that a smoothed one kept."""
    if len(track) == len(smoothed):
        return track
    kept = np.searchsorted(track.times, smoothed.times)
    return replace(track, times=smoothed.times, probabilities=track.probabilities[kept], hop=smoothed.hop)
