"""The process that decodes for :mod:`emotrace.audio.isolated`: one open file at a time, and nothing else.

What it decodes may have been made to harm, so it gives up what decoding does not need before it reads a byte.
"""

from __future__ import annotations

import ctypes
import io
import json
import math
import os
import select
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.audio.decode import Decoder
from emotrace.audio.sources import Limits
from emotrace.errors import EmotraceError

LONGEST_MESSAGE = 64 * 1024
HEAD = struct.Struct("!i")
"""The length before each message, as :class:`multiprocessing.connection.Connection` writes it."""
STOP = b"stop"

_NEW_USERS, _NEW_NETWORK = 0x10000000, 0x40000000  # of unshare(2)
_NO_NEW_PRIVILEGES = 38  # of prctl(2)
_FILES = 32
_GATHERED_BYTES, _GATHERED_SECONDS = 256 * 1024, 0.2


class FileAt(io.RawIOBase):
    """A file that is read by position, so that it does not matter who else reads it.

    Args:
        descriptor: of an ordinary file; closed with this.
        name: for messages, and for its extension.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._position = 0

    def readinto(self, buffer: Any, /) -> int:
        """See :class:`io.RawIOBase`."""
        chunk = os.pread(self._descriptor, len(buffer), self._position)
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See :class:`io.RawIOBase`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("negative position")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """See :class:`io.RawIOBase`."""
        return self._position

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class Answers:
    """Messages to the other side, several in one piece, so that it is not woken for each.

    Args:
        connection: to the other side.
    """

    def __init__(self, connection: Connection) -> None:
        self._file = open(connection.fileno(), "wb", _GATHERED_BYTES, closefd=False)  # noqa: SIM115
        self._sent = time.monotonic()

    def say(self, kind: bytes, content: bytes) -> None:
        """Send a message soon."""
        self._file.write(HEAD.pack(1 + len(content)) + kind)
        self._file.write(content)
        if time.monotonic() - self._sent > _GATHERED_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what was gathered."""
        self._file.flush()
        self._sent = time.monotonic()


def serve(connection: Connection, before_each: Callable[[float], None]) -> None:
    """Decode what is sent until the other side hangs up.

    For each file comes its order (JSON) and then its descriptor; what goes back are messages that begin with
    ``d`` (the description), ``s`` (samples: float32, 16 kHz, mono), and at last ``e`` (the end) or ``x`` (an
    error).

    Args:
        connection: to the other side.
        before_each: called before each file with the seconds of computing that it may take.
    """
    answers = Answers(connection)
    with suppress(EOFError, OSError):  # it hung up
        while True:
            message = connection.recv_bytes(LONGEST_MESSAGE)
            if message == STOP:  # for a file that has ended meanwhile
                continue
            order = json.loads(message)
            before_each(order["cpu_seconds"])
            with FileAt(recv_handle(connection), order["name"]) as file:
                _decode(connection, answers, file, order)
            answers.flush()


def _decode(connection: Connection, answers: Answers, file: FileAt, order: dict[str, Any]) -> None:
    def say(kind: bytes, values: dict[str, Any]) -> None:
        answers.say(kind, json.dumps(values).encode())

    limits = Limits(max_bytes=order["max_bytes"], max_seconds=order["max_seconds"])
    try:
        with Decoder(
            file, channel=order["channel"], limits=limits, block_seconds=order["block_seconds"]
        ) as blocks:
            say(b"d", asdict(blocks.description))
            for block in blocks:
                answers.say(b"s", block.tobytes())
                if select.select([connection], [], [], 0)[0]:  # nobody wants the rest
                    break
            say(b"e", {"warning": blocks.warning, "clipping_share": blocks.clipping_share})
    except EmotraceError as error:
        say(b"x", {"code": error.code, "message": str(error)})


def main() -> None:
    """Confine this process and serve; the arguments are the descriptor and bytes of memory."""
    descriptor, memory = map(int, sys.argv[1:])
    connection = Connection(descriptor)
    alone = _leave_network()
    for _ in Decoder((np.zeros(8000, np.int16), 8000)):  # loads all that is loaded on first use
        import av.audio.plane
        import av.codec.context
        import av.subtitles.stream  # noqa: F401
    _limit_memory_and_files(memory)
    connection.send_bytes(json.dumps({"without_network": alone}).encode())
    serve(connection, _limit_seconds)
    os._exit(0)


def _leave_network() -> bool:
    """Whether the system lets this process have a network of its own, which has no way out."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    with suppress(OSError):  # the first to go when memory runs out
        Path("/proc/self/oom_score_adj").write_text("1000")
    return any(libc.unshare(flags) == 0 for flags in (_NEW_USERS | _NEW_NETWORK, _NEW_NETWORK))


def _limit_memory_and_files(memory: int) -> None:
    import resource

    taken = 0
    with suppress(OSError):
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = taken + memory if taken else resource.RLIM_INFINITY
    for kind, value in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        with suppress(ValueError, OSError):  # a system may allow less already, or know no such limit
            resource.setrlimit(kind, (value, value))


def _limit_seconds(seconds: float) -> None:
    """Of computing, for the next file; the system ends this process when they are used up."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until if most < 0 else min(until, most), most))


if __name__ == "__main__":
    main()
