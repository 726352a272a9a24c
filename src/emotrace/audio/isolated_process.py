"""A process that decodes, and the way to it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import IO, Any

from emotrace.audio.isolated_child import HEAD, LONGEST_MESSAGE, STOP
from emotrace.errors import EmotraceError, OptionError

STOP_SECONDS = 2.0

_START_SECONDS = 60.0
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")  # secrets are in others

log = logging.getLogger("emotrace.audio")


class DecodingProcess:
    """One child and the way to it.

    Args:
        memory: bytes that it may take on top of its own code.
        stall_seconds: how long it may say nothing in the middle of a message.

    Raises:
        EmotraceError: it cannot be started.

    Attributes:
        files: that it was given.
    """

    def __init__(self, memory: int, stall_seconds: float) -> None:
        if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
            raise OptionError("decoding in another process needs Linux or macOS; set decode_workers to 0")
        self.files = 0
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(stall_seconds))
        with theirs:
            arguments = (str(theirs.fileno()), str(memory))
            self._child = subprocess.Popen(
                (sys.executable, "-m", "emotrace.audio.isolated_child", *arguments),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the service, which finishes what runs
            )
        self._patience = -1.0
        self._connection = Connection(ours.detach())
        self._incoming = open(self._connection.fileno(), "rb", 4 * LONGEST_MESSAGE, closefd=False)  # noqa: SIM115
        try:
            told = json.loads(self.receive(_START_SECONDS))
        except (EOFError, OSError, ValueError) as problem:
            raise not_started(f"it ended with {self.kill()}") from problem
        log.info("decoding process %d started%s", self.number, _fenced(told))

    @property
    def number(self) -> int:
        """Its process id."""
        return self._child.pid

    def send(self, order: bytes, descriptor: int) -> None:
        """Give it a file."""
        self._connection.send_bytes(order)
        send_handle(self._connection, descriptor, self.number)
        self.files += 1

    def receive(self, seconds: float) -> bytes:
        """Its next message.

        Raises:
            EOFError: it ended.
            OSError: it says nothing, or too much.
        """
        if seconds != self._patience:  # in the middle of a message, as well
            self._patience = seconds
            with socket.socket(fileno=os.dup(self._connection.fileno())) as ours:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
        [length] = HEAD.unpack(self._read(HEAD.size))
        if not 0 < length <= LONGEST_MESSAGE * 64:
            raise OSError(f"a message of {length} bytes")
        return self._read(length)

    def _read(self, length: int) -> bytes:
        content = self._incoming.read(length)
        if content is None:
            raise OSError("no message")
        if len(content) < length:
            raise EOFError
        return content

    def stop(self) -> None:
        """Tell it that the rest of the file is not wanted."""
        with suppress(OSError):
            self._connection.send_bytes(STOP)

    def end(self) -> None:
        """Hang up and wait for its end."""
        self._connection.close()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> int:
        """End it now; its exit status, negative for a signal."""
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            return self._child.wait(0.2)  # of its own accord, which tells why
        self._child.kill()
        return self._child.wait()


class Descriptor:
    """The descriptor of a file whose content is on disk.

    Args:
        file: binary; what has no descriptor is copied to a temporary file.
    """

    def __init__(self, file: Any) -> None:
        self._copy: IO[bytes] | None = None
        file.flush()
        try:
            self._number: int = file.fileno()
        except OSError:  # it is in memory
            self._copy = tempfile.TemporaryFile()  # noqa: SIM115
            file.seek(0)
            shutil.copyfileobj(file, self._copy)
            self._copy.flush()
            self._number = self._copy.fileno()

    def __enter__(self) -> int:
        return self._number

    def __exit__(self, *_: object) -> None:
        if self._copy is not None:
            self._copy.close()


def _timeval(seconds: float) -> bytes:
    return struct.pack("ll", int(seconds), round(seconds % 1 * 1e6))


def _environment() -> dict[str, str]:
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, **one_thread, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _fenced(told: dict[str, Any]) -> str:
    return ", without network" if told.get("without_network") else ""


def not_started(reason: str) -> EmotraceError:
    """The error about a process that does not begin."""
    return EmotraceError(f"no decoding process can be started: {reason}; its own words are on standard error")
