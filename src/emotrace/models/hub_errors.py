"""Whatever goes wrong with a hub, in one sentence with the way out."""

from __future__ import annotations

import errno
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

from emotrace.errors import DownloadError, EmotraceError, MissingExtraError, OutputError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def explained(repository: str, revision: str, hub: str) -> Iterator[None]:
    """Turn whatever a hub or its library raises into one sentence.

    Raises:
        DownloadError: the hub cannot be reached, does not have it, or answers with an error.
        OutputError: the download cannot be written.
    """
    require_hub_library()
    from huggingface_hub.errors import HfHubHTTPError

    # Its bases are the root of the HTTP library's errors, and OSError; ValueError is an answer without JSON.
    failures: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, ValueError)
    try:
        yield
    except EmotraceError:
        raise
    except failures as problem:
        raise _explain(problem, repository, revision, hub) from problem


def _explain(problem: Exception, repository: str, revision: str, hub: str) -> EmotraceError:
    from huggingface_hub import errors

    where = f"{repository!r} on {hub}"
    if isinstance(problem, errors.OfflineModeIsEnabled):
        return DownloadError(
            f"{where} was asked for in offline mode (HF_HUB_OFFLINE); unset it, or give a downloaded folder "
            "with --from"
        )
    if isinstance(problem, errors.RevisionNotFoundError):
        return DownloadError(f"{where} has no revision {revision!r}; leave --revision out for the newest")
    if isinstance(problem, errors.GatedRepoError):
        return DownloadError(
            f"{where} wants its terms to be accepted first; do so on its page and set HF_TOKEN to a token"
        )
    if isinstance(problem, errors.RepositoryNotFoundError):
        return DownloadError(
            f"{where} does not exist, or not for you; check HF_ENDPOINT and HF_TOKEN, or try another --hub"
        )
    if isinstance(problem, errors.HfHubHTTPError):
        status = problem.response.status_code
        return DownloadError(f"{hub} answered {status} for {repository!r}; {_WAYS_OUT.get(status, _LATER)}")
    if isinstance(problem, OSError) and problem.errno in DISK_FULL:
        return OutputError(
            f"the disk is full while {where} is downloaded; free some space, or set HF_HOME and "
            "EMOTRACE_HOME to a larger disk"
        )
    if isinstance(problem, OSError) and problem.errno is not None and problem.filename is not None:
        reason = (problem.strerror or str(problem)).lower()
        return OutputError(f"the download cannot be written to {problem.filename!r}: {reason}")
    reason = next(iter(str(problem).splitlines()), "") or type(problem).__name__
    if address := os.environ.get(_ADDRESS[hub]):
        reason += f"; {_ADDRESS[hub]} is {address.rpartition('@')[2]!r}"
    return DownloadError(
        f"{where} cannot be downloaded ({reason}); check the network and pull again, which goes on where it "
        f"stopped, or {_ELSEWHERE[hub]}"
    )


_ADDRESS = {"Hugging Face": "HF_ENDPOINT", "ModelScope": "MODELSCOPE_ENDPOINT"}
_ELSEWHERE = {
    "Hugging Face": "set HF_ENDPOINT to a mirror, or use --hub modelscope",
    "ModelScope": "use --hub huggingface",
}


_LATER = "try again later, which goes on where it stopped, or try another --hub"
_WAYS_OUT = {
    401: "set HF_TOKEN to a valid token, or unset it",
    403: "check HF_TOKEN, or try another --hub",
    404: "it is not there: check the --revision, or try another --hub",
    429: "too many requests: wait a few minutes and try again",
}


def require_hub_library() -> None:
    """See that the extra with huggingface_hub is installed.

    Raises:
        MissingExtraError: it is not.
    """
    for module in ("huggingface_hub", "filelock"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(
                f"pulling a model needs {module}; install it with: pip install 'emotrace[convert]'"
            )
