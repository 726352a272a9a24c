"""The entry of the ``emotrace`` command: whatever happens inside becomes one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from emotrace.cli import exit_codes
from emotrace.cli.messages import tell, unexpected

_CANNOT_LOOK = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG})
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


class _Terminated(BaseException):
    """A SIGTERM: cleaned up after like a Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes those of the process.

    Returns:
        The exit code; see :mod:`emotrace.cli.exit_codes`.
    """
    try:
        with _terminable():
            code = _run(sys.argv[1:] if arguments is None else list(arguments))
            _flush()
            return code
    except KeyboardInterrupt:
        return _stopped("interrupted", exit_codes.INTERRUPTED)
    except _Terminated:
        return _stopped("terminated", exit_codes.TERMINATED)
    except BrokenPipeError:
        _silence_stdout()
        return exit_codes.BROKEN_PIPE
    except Exception as problem:
        code = _explain(problem)
        _silence_stdout()
        return code


def _run(arguments: list[str]) -> int:
    if sys.stdout is None:
        tell("standard output is closed; expected a place for the results")
        return exit_codes.OUTPUT
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # any file name can be shown on any terminal
    from typer import Exit

    from emotrace.cli.commands import root

    try:
        with root().make_context("emotrace", arguments) as context:
            root().invoke(context)
    except Exit as end:
        return end.exit_code
    return exit_codes.OK


def _explain(problem: Exception) -> int:
    """Say what went wrong; the exit code."""
    from emotrace.errors import EmotraceError

    if os.environ.get("EMOTRACE_DEBUG"):
        import traceback

        traceback.print_exc()
    if isinstance(problem, EmotraceError):
        tell(str(problem))
        return exit_codes.of_error(problem.code)
    if hasattr(problem, "format_message"):  # of typer: wrong options
        context: Any = getattr(problem, "ctx", None)
        path = context.command_path if context else "emotrace"
        tell(f"{_usage(problem)} (see `{path} --help`)")
        return exit_codes.USAGE
    if isinstance(problem, OSError) and problem.errno in _CANNOT_WRITE and problem.filename is None:
        reason = (problem.strerror or str(problem)).lower()
        tell(f"standard output cannot be written: {reason}; write it elsewhere")
        return exit_codes.OUTPUT
    if isinstance(problem, OSError) and problem.errno in _CANNOT_LOOK and problem.filename is not None:
        tell(f"{os.fsdecode(problem.filename)!r} cannot be read: {os.strerror(problem.errno or 0).lower()}")
        return exit_codes.INPUT
    tell(unexpected(problem))
    return exit_codes.BUG


def _usage(problem: Any) -> str:
    """What typer says; of a value that pydantic read for it, which one came and what was expected."""
    from emotrace.options import in_words, shortened

    for error in getattr(problem.__cause__, "errors", list)()[:1]:
        expected = in_words(error["msg"])
        known = error["type"] == "value_error"  # our own sentence, which holds the value
        problem.message = expected if known else f"{shortened(repr(error['input']))}; {expected}"
    return str(problem.format_message()).rstrip(".").replace("\n\t", " ")


def _stopped(word: str, code: int) -> int:
    with suppress(Exception):
        _flush()
    _silence_stdout()
    tell(word)
    return code


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _silence_stdout() -> None:
    """Let nothing be written to standard output any more, also not by the interpreter when it ends."""
    with suppress(Exception):
        _flush()
        return
    with suppress(Exception):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn a SIGTERM into an exception, so that half-written files are removed."""

    def stop(number: int, frame: object) -> None:
        raise _Terminated

    usable = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if usable else None
    try:
        yield
    finally:
        if usable:
            signal.signal(signal.SIGTERM, before)
