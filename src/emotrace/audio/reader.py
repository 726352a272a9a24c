"""How the bytes of a source are read.

FFmpeg never opens anything itself: paths are opened here, must be ordinary files, and reach FFmpeg as
a :class:`Reader`.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from emotrace.audio.sniff import needs_seeking
from emotrace.audio.sources import Limits, name_of, quoted
from emotrace.errors import AudioError, LimitError

HEAD = 64 * 1024
"""Bytes from the start of an input that are looked at to tell what it is."""

_MEMORY_SPOOL = 32 * 1024 * 1024
_STDIN_PATHS = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
_MISSING = frozenset({errno.ENOENT, errno.EINVAL, errno.ENOTDIR, errno.ENAMETOOLONG})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:")


class Reader:
    """The bytes of one input, as FFmpeg is allowed to see them.

    Nothing is raised out of :meth:`read` and :meth:`seek`, because they are called from C: what went
    wrong is kept in :attr:`failure` and the input then ends.

    Attributes:
        label: name of the input for messages.
        name: a harmless file name that keeps the extension, which FFmpeg's probing looks at.
        size: length in bytes, None if it is not known in advance.
        head: the first bytes.
        failure: what went wrong while reading, or None.
    """

    def __init__(self, raw: IO[bytes], label: str, limits: Limits, owned: bool = False) -> None:
        self.label = label
        self.name = "audio" + _extension(getattr(raw, "name", None))
        self.failure: BaseException | None = None
        self._raw = raw
        self._owned = owned
        self._limits = limits
        self._pending = b""
        self._taken = 0
        self._seekable = _is_seekable(raw)
        self._base = 0
        self.size: int | None = None
        if self._seekable:
            self._base = raw.tell()
            self.size = raw.seek(0, io.SEEK_END) - self._base
            raw.seek(self._base)
            self._check_bytes(self.size)
        self._fetch = raw.read if self._seekable else getattr(raw, "read1", raw.read)
        self.head = self._peek()

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; empty at the end and after a failure."""
        if self.failure is not None:
            return b""
        if self._pending:
            chunk, self._pending = self._pending[:size], self._pending[size:]
            return chunk
        try:
            return self._take(size)
        except BaseException as problem:  # a C function calls this one: nothing may pass through it
            self.failure = problem
            return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset``, as for files; -1 after a failure."""
        try:
            start = self._base if whence == io.SEEK_SET else 0
            return self._raw.seek(start + offset, whence) - self._base
        except Exception:  # a damaged file may point anywhere; FFmpeg takes -1 for "cannot"
            return -1
        except BaseException as problem:  # see read
            self.failure = problem
            return -1

    def tell(self) -> int:
        """Bytes from the start."""
        return self._raw.tell() - self._base if self._seekable else self._taken - len(self._pending)

    def seekable(self) -> bool:
        """Whether the input can go back."""
        return self._seekable

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._raw.close()

    def _take(self, size: int) -> bytes:
        chunk: Any = self._fetch(size)
        if isinstance(chunk, str):
            raise AudioError(f"{self.label} is open in text mode; open it in binary mode ('rb')")
        if chunk is None:
            raise AudioError(f"{self.label} has no data ready; open it in blocking mode")
        if len(chunk) > size:
            raise AudioError(f"{self.label} returned {len(chunk)} bytes when asked for {size}")
        self._taken += len(chunk)
        if not self._seekable:
            self._check_bytes(self._taken)
        return bytes(chunk)

    def _check_bytes(self, count: int) -> None:
        if count > self._limits.max_bytes:
            more = "" if self._seekable else "at least "
            raise LimitError(
                f"{self.label} has {more}{count} bytes; the limit is {self._limits.max_bytes}; "
                "cut it or raise max_bytes"
            )

    def _peek(self) -> bytes:
        if self._seekable:
            head = self._take(HEAD)
            self._raw.seek(self._base)
            return head
        while len(self._pending) < HEAD and (chunk := self._take(HEAD - len(self._pending))):
            self._pending += chunk
            if len(self._pending) >= 16 and not needs_seeking(self._pending):
                break
        return self._pending


def open_reader(source: object, limits: Limits) -> Reader:
    """Open a path, bytes or a binary file for reading.

    Raises:
        AudioError: the source is missing, empty, not an ordinary file, a URL, or of a wrong type.
        LimitError: it is known to have more bytes than allowed.
    """
    label = quoted(name_of(source))
    try:
        reader = _spooled(_open(source, label, limits), limits)
    except AudioError:
        raise
    except Exception as problem:
        raise AudioError(f"{label} cannot be read: {_reason(problem)}") from problem
    if not reader.head:
        reader.close()
        raise AudioError(f"{label} is empty (0 bytes); expected an audio file")
    return reader


def _open(source: object, label: str, limits: Limits) -> Reader:
    if isinstance(source, bytes | bytearray | memoryview):
        return Reader(io.BytesIO(source), label, limits)
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        raw = _open_path(path, label)
        try:
            return Reader(raw, label, limits, owned=True)
        except BaseException:
            raw.close()
            raise
    if hasattr(source, "read"):
        return Reader(_open_file(source, label), label, limits)
    if hasattr(source, "dtype"):
        raise AudioError("an array came without its sampling rate; give (samples, sampling_rate)")
    raise AudioError(
        f"a {type(source).__name__} came; expected a path, bytes, a binary file, "
        "(samples, sampling_rate) or a Signal"
    )


def _open_file(file: Any, label: str) -> IO[bytes]:
    if isinstance(file, io.TextIOBase):
        raise AudioError(f"{label} is open in text mode; open it in binary mode ('rb')")
    if getattr(file, "closed", False):
        raise AudioError(f"{label} is closed; give an open file")
    isatty = getattr(file, "isatty", None)
    if isatty is not None and isatty():
        raise AudioError(f"{label} is a terminal; pipe audio into it or give a file")
    opened: IO[bytes] = file
    return opened


def _open_path(path: str, label: str) -> IO[bytes]:
    """Open an ordinary file; anything else is refused without waiting for it."""
    if not path:
        raise AudioError("an empty path came; expected the path of an audio file")
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as problem:
        raise _cannot_open(path, label, problem) from problem
    if path in _STDIN_PATHS:
        return _open_file(sys.stdin.buffer, "<stdin>")
    _check_kind(status, label)
    try:
        raw = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    except OSError as problem:
        raise _cannot_open(path, label, problem) from problem
    try:
        _check_kind(os.fstat(raw.fileno()), label)  # again: it may have been exchanged in between
        return raw
    except BaseException:
        raw.close()
        raise


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_kind(status: os.stat_result, label: str) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise AudioError(f"{label} is a folder; expected an audio file")
    kinds = ((stat.S_ISFIFO, "named pipe"), (stat.S_ISSOCK, "socket"))
    kind = next((word for test, word in kinds if test(mode)), "device")
    raise AudioError(f"{label} is a {kind}; expected an audio file, or audio on standard input")


def _cannot_open(path: str, label: str, problem: Exception) -> AudioError:
    missing = isinstance(problem, OSError) and problem.errno in _MISSING
    if _SCHEME.match(path) and missing:
        return AudioError(f"{label} is a URL; URLs are not opened: download the file and give its path")
    if isinstance(problem, FileNotFoundError | NotADirectoryError):
        return AudioError(f"{label} does not exist; expected an audio file")
    if isinstance(problem, PermissionError):
        return AudioError(f"{label} may not be read: permission denied; check the file's permissions")
    return AudioError(f"{label} cannot be opened: {_reason(problem)}")


def _spooled(reader: Reader, limits: Limits) -> Reader:
    """The reader itself, or a seekable copy where the format cannot be read front to back."""
    if reader.seekable() or not needs_seeking(reader.head):
        return reader
    spool = tempfile.SpooledTemporaryFile(max_size=_MEMORY_SPOOL)  # noqa: SIM115
    while chunk := reader.read(1 << 20):
        spool.write(chunk)
    if reader.failure is not None:
        spool.close()
        raise reader.failure
    spool.seek(0)
    return Reader(spool, reader.label, limits, owned=True)


def _is_seekable(raw: IO[bytes]) -> bool:
    try:
        return bool(raw.seekable()) and raw.tell() >= 0
    except (AttributeError, OSError, ValueError):
        return False


def _extension(name: object) -> str:
    match = re.search(r"\.[A-Za-z0-9]{1,5}$", name) if isinstance(name, str) else None
    return match.group() if match else ""


def _reason(problem: BaseException) -> str:
    """The problem in words, on one line."""
    text = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return " ".join(text.split()) or type(problem).__name__
