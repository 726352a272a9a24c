"""Sound from a microphone, through PortAudio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emotrace.cli.messages import tell
from emotrace.errors import AudioError, MissingExtraError


def heard(name: str | None, rate: int, channels: int, count: int) -> Iterator[bytes]:
    """What a microphone hears, in chunks of ``count`` samples of 16 bits; it is opened at once.

    Args:
        name: part of its name, or its number; None is the system's own.
        rate: in Hz.
        channels: interleaved.
        count: samples of a chunk.

    Raises:
        MissingExtraError: sounddevice, or PortAudio, is not installed.
        AudioError: there is no such microphone, or it cannot be opened.
    """
    sounddevice = _library()
    device = int(name) if name is not None and name.isdecimal() else name
    try:
        stream = sounddevice.RawInputStream(
            samplerate=rate, blocksize=count, device=device, channels=channels, dtype="int16"
        )
        stream.start()
    except (ValueError, sounddevice.PortAudioError) as problem:
        reason = " ".join(str(problem).split())
        raise AudioError(
            f"the microphone cannot be opened: {reason}; see `python -m sounddevice` for those there are, "
            "and name one with --microphone"
        ) from problem
    tell("listening (Ctrl-C stops)")
    return _chunks(stream, count)


def _chunks(stream: Any, count: int) -> Iterator[bytes]:
    lost = False
    with stream:
        while True:
            chunk, overflowed = stream.read(count)
            if overflowed and not lost:
                lost = True
                tell("sound was lost, because this machine is too slow or too busy")
            yield bytes(chunk)


def _library() -> Any:
    try:
        import sounddevice
    except ImportError as problem:
        raise MissingExtraError(
            "the microphone needs sounddevice, which is not installed; pip install 'emotrace[live]', or pipe "
            "samples in: see `emotrace live --help`"
        ) from problem
    except OSError as problem:  # sounddevice is there, PortAudio is not
        raise MissingExtraError(
            "the microphone needs the library PortAudio, which is not installed; on Debian: apt install "
            "libportaudio2; or pipe samples in: see `emotrace live --help`"
        ) from problem
    return sounddevice
