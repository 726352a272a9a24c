"""All signal checks of a recording in one pass."""

from __future__ import annotations

import math

import numpy as np

from emotrace.audio import Limits, MeasureMeter, Source, decoder_of
from emotrace.audio.bandwidth import BandwidthMeter
from emotrace.audio.spectrum import HOP, WINDOW, Spectra
from emotrace.results import Array, SignalQuality
from emotrace.segmentation.bands import log_bands
from emotrace.segmentation.content import KINDS
from emotrace.segmentation.levelling import Leveller
from emotrace.segmentation.speakers import SpeakerMeter
from emotrace.segmentation.speech import SpeechCounter
from emotrace.segmentation.voice_activity import CHUNK, VoiceActivity
from emotrace.segmentation.windows import Seconds, Windows
from emotrace.timing import SAMPLING_RATE

BLOCK = SAMPLING_RATE
SILENT_DB = -75.0
"""Level under which a second is silent, whatever it holds."""

FAINT_DB = 35.0
"""A second so far under the loudest twentieth of the recording is silent, too: background in a long pause."""


NARROW_HZ = 4500.0
"""Through less bandwidth, a telephone's, all voices are alike to the network: speakers cannot be told."""


class QualityMeter:
    """Takes in a recording block by block, in constant memory; any chunking gives the same numbers.

    >>> meter = QualityMeter()
    >>> meter.push(np.zeros(10_000, np.float32))
    >>> meter.push(np.zeros(22_000, np.float32))
    >>> quality = meter.result()
    >>> quality.content, quality.measures.duration, quality.speech_share
    ('silence', 2.0, 0.0)
    """

    def __init__(self) -> None:
        self._rest: Array = np.zeros(0, np.float32)
        self._measures = MeasureMeter()
        self._spectra, self._bandwidth = Spectra(), BandwidthMeter()
        self._leveller, self._activity, self._speech = Leveller(), VoiceActivity(), SpeechCounter()
        self._windows, self._speakers = Windows(), SpeakerMeter()
        self._bands: list[Array] = []  # frames that wait for the voice activity, which is late
        self._probabilities: Array = np.zeros(0, np.float32)  # of chunks from number _chunk on
        self._frame = 0
        self._chunk = 0
        self._result: SignalQuality | None = None

    def push(self, block: Array) -> None:
        """Take in the next samples, float32 (n,), 16 kHz mono, finite.

        Raises:
            ValueError: the result was already given.
        """
        if self._result is not None:
            raise ValueError("a block came after the result was given; use a new meter")
        joined = np.concatenate([self._rest, np.asarray(block, np.float32)])
        whole = len(joined) // BLOCK * BLOCK  # equal blocks inside give equal sums for any blocks outside
        for start in range(0, whole, BLOCK):
            self._take(joined[start : start + BLOCK])
        self._rest = joined[whole:].copy()

    def result(self, clipping_share: float | None = None) -> SignalQuality:
        """What was measured; the recording has ended.

        Args:
            clipping_share: clipping that was counted before resampling, such as
                :attr:`emotrace.audio.Decoder.clipping_share`; None counts it in the samples.
        """
        if self._result is None:
            self._finish()
            self._result = self._summary(clipping_share)
        return self._result

    def _take(self, block: Array) -> None:
        self._measures.update(block)
        spectra = self._spectra.feed(block)
        self._bandwidth.feed(spectra)
        self._bands.append(log_bands(spectra))
        self._hear(self._activity.feed(self._leveller.feed(block)))

    def _finish(self) -> None:
        if len(self._rest):
            self._take(self._rest)
        tail = self._activity.feed(self._leveller.finish())
        self._hear(np.concatenate([tail, self._activity.finish()]))
        self._windows.finish()
        self._speakers.finish()

    def _hear(self, probabilities: Array) -> None:
        """Give on the frames whose probability of speech is known now."""
        self._speech.feed(probabilities)
        self._probabilities = np.concatenate([self._probabilities, probabilities])
        if not self._bands:
            return
        bands = np.concatenate(self._bands)
        middles = ((self._frame + np.arange(len(bands))) * HOP + WINDOW // 2) // CHUNK - self._chunk
        known = int(np.searchsorted(middles, len(self._probabilities)))
        self._bands = [bands[known:]]
        if not known:
            return
        speech = self._probabilities[middles[:known]]
        self._windows.feed(bands[:known], speech)
        self._speakers.feed(bands[:known], speech)
        self._frame += known
        passed = int(middles[known - 1])
        self._probabilities = self._probabilities[passed:]
        self._chunk += passed

    def _summary(self, clipping_share: float | None) -> SignalQuality:
        measures = self._measures.result(clipping_share)
        bandwidth = self._bandwidth.result()
        spoken = min(self._speech.seconds, measures.duration)
        shares = content_shares(self._windows.seconds)
        sounding = {"speech": shares["speech"], "music": shares["music"], "noise": shares["noise"]}
        content = max(sounding, key=lambda name: sounding[name])
        return SignalQuality(
            measures=measures,
            bandwidth_hz=bandwidth,
            snr_db=self._windows.snr_db,
            speech_share=spoken / measures.duration if measures.duration else 0.0,
            speech_seconds=spoken,
            music_share=shares["music"],
            noise_share=shares["noise"],
            content=content if sounding[content] > 0 else "silence",
            several_speakers=self._speakers.score if bandwidth >= NARROW_HZ else math.nan,
        )


def content_shares(seconds: Seconds) -> dict[str, float]:
    """Share of the time that is ``speech`` (with its pauses), ``music``, ``noise`` and ``silence``; sum 1.

    A voice without words counts as noise: no speaker's feeling is read from it.
    """
    total = float(seconds.frames.sum())
    shares = {"speech": 0.0, "music": 0.0, "noise": 0.0, "silence": 0.0 if total else 1.0}
    if not total:
        return shares
    level = 10 * np.log10(seconds.power + 1e-12)
    faint = max(SILENT_DB, float(np.percentile(level, 95)) - FAINT_DB)
    kinds = [KINDS[i] for i in seconds.kinds.argmax(axis=1)]
    for frames, loudness, kind in zip(seconds.frames.tolist(), level.tolist(), kinds, strict=True):
        name = "silence" if loudness < faint else "noise" if kind == "voice" else kind
        shares[name] += frames / total
    return shares


def signal_quality(
    source: Source, *, channel: int | None = None, limits: Limits | None = None
) -> SignalQuality:
    """Check a recording without the emotion model.

    Args:
        source: path, bytes, open binary file, ``(samples, sampling_rate)`` or Signal.
        channel: channel to take, from 0; None is the mean of all channels.
        limits: how much may be read before the source is refused.

    Raises:
        AudioError: the source cannot be read as audio.

    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 16000).astype(np.float32)
    >>> quality = signal_quality((0.1 * tone, 16000))
    >>> quality.speech_share, quality.content != "speech", math.isnan(quality.snr_db)
    (0.0, True, True)
    """
    meter = QualityMeter()
    with decoder_of(source, channel=channel, limits=limits) as blocks:
        for block in blocks:
            meter.push(block)
        return meter.result(blocks.clipping_share)
