"""Recordings in object stores (``s3://bucket/calls/``), through fsspec; needs the extra ``cloud``.

Only the command line of a batch reads them, with what its user may read: credentials and endpoint come from
the environment and the store's own configuration files, never from a URL. Nothing else that looks like a URL
is opened.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, TypeAlias, TypeVar

from emotrace.audio import Limits
from emotrace.batch import urls
from emotrace.errors import (
    AudioError,
    EmotraceError,
    LimitError,
    MissingExtraError,
    ObjectStoreError,
)
from emotrace.outputs.writing import output_errors

T = TypeVar("T")

State: TypeAlias = tuple[int, int]
"""Size in bytes, and a number that changes with the content."""

PAUSES = (1.0, 4.0)
"""Seconds before each further try, after what may pass by itself; within a try the store's client repeats
each request with growing pauses."""

_BLOCK = 1 << 20
_NO_CREDENTIALS = ("Credential", "ProfileNotFound", "TokenRetrieval")
_HOPELESS = (PermissionError, ValueError, TypeError, NotImplementedError, IsADirectoryError)


def state(url: str) -> State | None:
    """The state of an object now; None if it is not there or cannot be seen."""
    try:
        store, path, _ = opened(url)
        info = info_of(store, path, url)
    except EmotraceError:
        return None
    return None if info is None or info["type"] == "directory" else state_of(info)


def small(url: str, most: int) -> bytes:
    """The bytes of a list.

    Raises:
        EmotraceError: see :func:`fetched`.
    """
    with fetched(url, Limits(max_bytes=most)) as (file, _):
        return file.read()


@contextmanager
def fetched(
    url: str, limits: Limits, go_on: Callable[[str, float, float], None] | None = None
) -> Iterator[tuple[BinaryIO, State]]:
    """A copy of an object on this machine's disk, in a file without a name that nothing leaves behind.

    Args:
        url: of the object.
        limits: more bytes are not fetched.
        go_on: called now and then as ``go_on("fetch", bytes done, total)``; what it raises ends the work.

    Yields:
        The copy, to be read from its start, and the state of the object that it is a copy of.

    Raises:
        AudioError: there is no such object, or it was changed meanwhile.
        LimitError: it is too large.
        ObjectStoreError: the store cannot be read.
        OutputError: the disk is full.
    """
    store, path, _ = opened(url)
    with output_errors(tempfile.gettempdir()):
        nameless = tempfile.TemporaryFile()  # noqa: SIM115
    with nameless:
        there = patiently(lambda: _copy(store, path, nameless, limits, url, go_on), url)
        if state(url) != there:
            raise _changed(url)
        raw = io.FileIO(os.dup(nameless.fileno()), "rb")
        raw.name = url  # messages speak of it, and its ending helps to tell what it is
        with io.BufferedReader(raw) as copy:
            copy.seek(0)
            yield copy, there


def _copy(
    store: Any,
    path: str,
    target: IO[bytes],
    limits: Limits,
    url: str,
    go_on: Callable[[str, float, float], None] | None,
) -> State:
    with store.open(path, "rb", block_size=_BLOCK * 4, cache_type="readahead") as source:
        there = state_of(source.details)
        if there[0] > limits.max_bytes:
            raise LimitError(
                f"{url!r} has {there[0]} bytes; the limit is {limits.max_bytes}; cut it or raise max_bytes"
            )
        target.seek(0)
        target.truncate()
        left = there[0]
        while left > 0 and (block := source.read(min(_BLOCK, left))):
            left -= len(block)
            if go_on is not None:
                go_on("fetch", there[0] - left, there[0])
            with output_errors(tempfile.gettempdir()):
                target.write(block)
        with output_errors(tempfile.gettempdir()):
            target.flush()
        if left:
            raise ConnectionError("the object ended early")
    return there


def opened(url: str) -> tuple[Any, str, str]:
    """File system, path in it, and scheme of a URL."""
    urls.check_url(url)
    scheme = url.partition("://")[0]
    try:
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False}
        store = fsspec.filesystem(scheme.lower(), **options)
    except ImportError as error:
        package = urls.PACKAGES[scheme.lower()]
        raise MissingExtraError(f"{scheme}:// needs a package: pip install {package!r}") from error
    except Exception as error:
        raise _explained(error, url) from error
    return store, url.partition("://")[2], scheme


def info_of(store: Any, path: str, url: str) -> Mapping[str, Any] | None:
    """What a store says of an object or a folder; None if there is none.

    Raises:
        EmotraceError: it cannot be read.
    """
    try:
        info: Mapping[str, Any] = patiently(lambda: store.info(path, refresh=True), url)
    except _MissingError:
        return None
    return info


def state_of(info: Mapping[str, Any]) -> State:
    """The state of an object from what its store says."""
    keys = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "updated")
    mark = next((str(info[key]).strip('"') for key in keys if info.get(key) is not None), "")
    digest = hashlib.blake2b(mark.encode("utf-8"), digest_size=8).digest()
    return int(info.get("size") or 0), int.from_bytes(digest, "big") >> 1  # fits a signed 64-bit number


class _MissingError(AudioError):
    """There is no such object."""


def patiently(work: Callable[[], T], url: str) -> T:
    """Do something with a store, again after a pause if the reason may pass.

    Raises:
        EmotraceError: it failed.
    """
    for pause in (*PAUSES, None):
        try:
            return work()
        except EmotraceError:
            raise
        except Exception as error:
            told = _explained(error, url)
            if pause is None or not isinstance(told, ObjectStoreError) or not _may_pass(error):
                raise told from error
        time.sleep(pause)
    raise AssertionError


def _may_pass(error: Exception) -> bool:
    hopeless = isinstance(error, _HOPELESS)
    return not hopeless and not _lacks_credentials(error) and "Validation" not in type(error).__name__


def _lacks_credentials(error: Exception) -> bool:
    return any(word in type(error).__name__ for word in _NO_CREDENTIALS)


def _explained(error: Exception, url: str) -> EmotraceError:
    """A sentence about a failure, in words of our own: those of a client may quote what must stay secret."""
    shown = repr(urls.without_secrets(url))
    if isinstance(error, FileNotFoundError):
        return _MissingError(
            f"{shown} does not exist; expected an object, a folder that is not empty, or a pattern"
        )
    if type(error).__name__ == "FileExpired":
        return _changed(url)
    if isinstance(error, PermissionError):
        return AudioError(f"{shown} may not be read: access denied; check the credentials and their rights")
    if _lacks_credentials(error):
        return ObjectStoreError(
            f"{shown} cannot be read: no credentials were found; set those of the store, such as AWS_PROFILE"
        )
    return ObjectStoreError(
        f"{shown} cannot be read: the store does not answer as it should ({type(error).__name__}); check the "
        "endpoint and the network"
    )


def _changed(url: str) -> AudioError:
    return AudioError(f"{url!r} was changed while it was read; run the same again once it is complete")
