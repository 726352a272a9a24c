"""Audio in: decode anything FFmpeg reads to 16 kHz mono, and measure it."""

from emotrace.audio.decode import Decoder, decoder_of, describe, load, stream
from emotrace.audio.measures import MeasureMeter, measure
from emotrace.audio.pieces import Description
from emotrace.audio.pushed import PushedAudio
from emotrace.audio.sources import Limits, Source, name_of

__all__ = [
    "Decoder",
    "Description",
    "Limits",
    "MeasureMeter",
    "PushedAudio",
    "Source",
    "decoder_of",
    "describe",
    "load",
    "measure",
    "name_of",
    "stream",
]
