"""Decoding in another process, with limits on memory and time and, where the system allows it, no network.

What a decoder library does with a file that was made to harm is then done to that process alone: the file is
refused, the process replaced. Samples are those of :class:`~emotrace.audio.Decoder`, to the bit.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from emotrace.audio.isolated_process import STOP_SECONDS, DecodingProcess, Descriptor, not_started
from emotrace.audio.pieces import Description
from emotrace.audio.sources import Limits, quoted
from emotrace.errors import AudioError, EmotraceError, LimitError, NoAudioError, OptionError
from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE, seconds_to_samples

MEMORY_BYTES = 512 * 1024**2
CPU_SECONDS = 120.0
SHARE = 0.05
"""Of the seconds of a recording, that computing may take in any case."""

STALL_SECONDS = 30.0
"""Without a block, after which a decoder is taken for stuck."""

_MOST_FILES = 1000  # of one process, so that what a decoder library leaks does not add up
_NONSENSE = (EOFError, OSError, ValueError, KeyError, TypeError)
_ERRORS = {error.code: error for error in (AudioError, NoAudioError, LimitError, OptionError)}

log = logging.getLogger("emotrace.audio")


class Decoders:
    """Processes that decode, started when they are needed and kept for the next file.

    Nobody waits for one: when all are taken another one is started, and ended after its file.

    Args:
        keep: processes to keep.
        memory_bytes: what each may take on top of its own code.
        cpu_seconds: of computing for one file, or a twentieth of the longest recording that its limits allow,
            if that is more.

    >>> import io, wave
    >>> file = io.BytesIO()
    >>> with wave.open(file, "wb") as out:
    ...     out.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     out.writeframes(bytes(48000))
    >>> decoders = Decoders(1)
    >>> with decoders.open(file, "talk.wav") as blocks:
    ...     blocks.description.codec, [len(block) for block in blocks]
    ('pcm_s16le', [16000, 8000])
    >>> decoders.close()
    """

    def __init__(
        self, keep: int, *, memory_bytes: int = MEMORY_BYTES, cpu_seconds: float = CPU_SECONDS
    ) -> None:
        self._keep, self._memory, self._seconds = keep, memory_bytes, cpu_seconds
        self._lock = threading.Lock()
        self._idle: list[DecodingProcess] = []
        self._closed = False

    def open(
        self,
        file: Any,
        name: str,
        *,
        channel: int | None = None,
        limits: Limits | None = None,
        block_seconds: float = 1.0,
    ) -> IsolatedDecoder:
        """Begin to decode a file, from its first byte on.

        Args:
            file: binary; what has no descriptor is copied to a temporary file.
            name: for messages, and for its extension.
            channel: see :class:`~emotrace.audio.Decoder`; so are the others.
            limits: see there.
            block_seconds: see there.

        Raises:
            AudioError: see there.
            EmotraceError: no process can be started.
        """
        chosen = limits or Limits()
        seconds = max(self._seconds, chosen.max_seconds * SHARE)
        order = {
            "name": name,
            "channel": channel,
            "max_bytes": chosen.max_bytes,
            "max_seconds": chosen.max_seconds,
            "cpu_seconds": seconds,
            "block_seconds": block_seconds,
        }
        with Descriptor(file) as descriptor:
            process = self._sent(json.dumps(order).encode(), descriptor)
        return IsolatedDecoder(self, process, name, chosen, seconds)

    def warm(self, count: int | None = None) -> None:
        """Start processes now, rather than with the first files.

        Args:
            count: of them; None is as many as are kept.

        Raises:
            EmotraceError: none can be started.
        """
        count = self._keep if count is None else min(count, self._keep)
        while len(self._idle) < count and not self._closed:
            self.give_back(DecodingProcess(self._memory, STALL_SECONDS))

    def close(self) -> None:
        """End the processes; those that are at work end after their file."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def give_back(self, process: DecodingProcess) -> None:
        """Keep a process that has ended its file, or end it."""
        with self._lock:
            room = not self._closed and len(self._idle) < self._keep and process.files < _MOST_FILES
            if room:
                self._idle.append(process)
        if not room:
            process.end()

    def _sent(self, order: bytes, descriptor: int) -> DecodingProcess:
        while True:
            with self._lock:
                process, fresh = (self._idle.pop(), False) if self._idle else (None, True)
            process = process or DecodingProcess(self._memory, STALL_SECONDS)
            try:
                process.send(order, descriptor)
            except OSError:
                process.end()  # it died while nobody used it
                if fresh:
                    raise not_started("it ended at once") from None
            else:
                return process


class IsolatedDecoder:
    """What another process decodes; as :class:`~emotrace.audio.Decoder`.

    Args:
        decoders: gets the process back.
        process: has its file.
        name: of the file.
        limits: were given to the process, which is not trusted.
        cpu_seconds: too.

    Attributes:
        name: see there; so are the others.
        description: see there.
        warning: see there.
        clipping_share: see there.
    """

    def __init__(
        self, decoders: Decoders, process: DecodingProcess, name: str, limits: Limits, cpu_seconds: float
    ) -> None:
        self.name, self._label = name, quoted(name)
        self.warning: str | None = None
        self.clipping_share = 0.0
        self._decoders, self._process, self._cpu_seconds = decoders, process, cpu_seconds
        self._left = seconds_to_samples(limits.max_seconds) + SAMPLING_RATE
        self._ended = False
        self.description = self._described(self._next())

    def __enter__(self) -> IsolatedDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Array]:
        if self._ended:
            raise AudioError(f"{self._label} was closed; open it again to decode it")
        try:
            while (block := self._next()) is not None:
                yield self._sound(block)
        finally:
            self.close()

    def close(self) -> None:
        """Want no more of it."""
        if self._ended:
            return
        with suppress(EmotraceError):
            self._process.stop()
            while not self._ended:
                self._next(STOP_SECONDS)

    def _next(self, seconds: float | None = None) -> bytes | None:
        """The next message, without its letter; None at the end.

        Raises:
            EmotraceError: it is an error, or there is none.
        """
        try:
            message = self._process.receive(STALL_SECONDS if seconds is None else seconds)
            letter, content = message[:1], message[1:]
            error = _told(content) if letter == b"x" else None
            if letter == b"e":
                told = json.loads(content)
                self.clipping_share = float(told["clipping_share"])
                self.warning = None if told["warning"] is None else str(told["warning"])
        except _NONSENSE:
            raise self._broken() from None
        if letter in (b"d", b"s"):
            return content
        if letter not in (b"e", b"x"):
            raise self._broken()
        self._ended = True
        self._decoders.give_back(self._process)
        if error is not None:
            raise error
        return None

    def _described(self, content: bytes | None) -> Description:
        try:
            told = json.loads(content or b"")
            seconds = told["duration"]
            return Description(
                container=str(told["container"]),
                codec=str(told["codec"]),
                sampling_rate=int(told["sampling_rate"]),
                channels=int(told["channels"]),
                duration=None if seconds is None else float(seconds),
            )
        except _NONSENSE:
            raise self._broken() from None

    def _sound(self, content: bytes) -> Array:
        self._left -= len(content) // 4
        if len(content) % 4 or self._left < 0:
            raise self._broken()
        return np.frombuffer(bytearray(content), np.float32)

    def _broken(self) -> AudioError:
        """Why there is no next message; the process is ended."""
        self._ended = True
        status = self._process.kill()
        log.warning("the decoding process %d ended with %s and is replaced", self._process.number, status)
        if status == -signal.SIGXCPU:
            seconds = self._cpu_seconds
            return LimitError(
                f"{self._label} needs more than {seconds:g} s of computing to be decoded; cut it"
            )
        return AudioError(
            f"{self._label} cannot be decoded: it brought the decoder down; get a good copy, or convert it"
        )


def _told(content: bytes) -> EmotraceError:
    told = json.loads(content)
    return _ERRORS.get(told["code"], AudioError)(str(told["message"]))
