"""What the exit status of ``emotrace`` says: the one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable

OK = 0
BUG = 1
USAGE = 2
INPUT = 3
NO_SPEECH = 4
SOME_FAILED = 5
MODEL = 6
OUTPUT = 7
FINDING = 8
STOPPED = 9
SERVER = 10
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

MEANINGS: dict[int, str] = {
    OK: "every input gave a result",
    BUG: "unexpected error, a bug of emotrace (EMOTRACE_DEBUG=1 shows where)",
    USAGE: "wrong options",
    INPUT: "no input could be used",
    NO_SPEECH: "no speech was found",
    SOME_FAILED: "some inputs gave a result, others failed",
    MODEL: "the model, the device or an optional package is missing or broken",
    OUTPUT: "a result could not be written",
    FINDING: "every input could be read, but a check found something (only with --fail-on-finding)",
    STOPPED: "a batch stopped: too many inputs failed in a row; the same command goes on",
    SERVER: "the server cannot be reached, or refuses",
    INTERRUPTED: "stopped by Ctrl-C",
    BROKEN_PIPE: "the reader of standard output went away",
    TERMINATED: "stopped by a SIGTERM",
}
"""Every exit code and its meaning; the help and docs/cli.md are made from it."""

_BY_ERROR = {
    "no-speech": NO_SPEECH,
    "model": MODEL,
    "model-not-found": MODEL,
    "download": MODEL,
    "device": MODEL,
    "missing-extra": MODEL,
    "option": USAGE,
    "output": OUTPUT,
    "disk-full": OUTPUT,
    "store": OUTPUT,
    "server": SERVER,
    "bug": BUG,
}

_FIRST = (BUG, OUTPUT, MODEL, USAGE, SERVER)  # these say more than how many inputs failed


def of_error(code: str) -> int:
    """Exit code for an error, by the ``code`` of its class or of a Failure.

    >>> of_error("no-audio"), of_error("no-speech"), of_error("device")
    (3, 4, 6)
    """
    return _BY_ERROR.get(code, INPUT)


def of_run(succeeded: int, failures: Iterable[str]) -> int:
    """Exit code of a run over several inputs.

    Args:
        succeeded: how many gave a result.
        failures: the error code of each of the others.

    >>> of_run(2, []), of_run(2, ["audio"]), of_run(0, ["no-speech"]), of_run(0, ["no-speech", "audio"])
    (0, 5, 4, 3)
    """
    codes = {of_error(code) for code in failures}
    for code in _FIRST:
        if code in codes:
            return code
    if not codes:
        return OK
    if succeeded:
        return SOME_FAILED
    return codes.pop() if len(codes) == 1 else INPUT


def epilog() -> str:
    """The table for the help; the first line keeps it from being wrapped."""
    rows = [f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items()]
    return "\n".join(["\b", "Exit codes:", *rows])
