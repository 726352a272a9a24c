"""Recordings in object stores (``s3://bucket/calls/``), through fsspec; needs the extra ``cloud``.

Only the command line of a batch reads them, with what its user may read: credentials and endpoint come from
the environment and the store's own configuration files, never from a URL. Nothing else that looks like a URL
is opened.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, TypeAlias, TypeVar

from emotrace.audio import Limits
from emotrace.errors import (
    AudioError,
    EmotraceError,
    InputError,
    LimitError,
    MissingExtraError,
    ObjectStoreError,
)
from emotrace.outputs.writing import output_errors

T = TypeVar("T")

State: TypeAlias = tuple[int, int]
"""Size in bytes, and a number that changes with the content."""

PACKAGES = {
    "s3": "emotrace[cloud]",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
"""The schemes that are read, and what must be installed for each."""

PAUSES = (1.0, 4.0)
"""Seconds before each further try, after what may pass by itself; within a try the store's client repeats
each request with growing pauses."""

PAGE_KEYS = 1000
"""Objects that S3 is asked for at a time."""

_BLOCK = 1 << 20
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
_MAGIC = re.compile(r"[*?\[]")
_NO_CREDENTIALS = ("Credential", "ProfileNotFound", "TokenRetrieval")
_HOPELESS = (PermissionError, ValueError, TypeError, NotImplementedError, IsADirectoryError)


def is_url(name: str) -> bool:
    """Whether a name is a URL of any kind.

    >>> is_url("s3://bucket/a.wav"), is_url("https://x/a.wav"), is_url("C:/a.wav"), is_url("a.wav")
    (True, True, False, False)
    """
    return _URL.match(name) is not None


def is_remote(name: str) -> bool:
    """Whether a name is that of an object in a store that is read.

    >>> is_remote("s3://bucket/a.wav"), is_remote("https://x/a.wav")
    (True, False)
    """
    match = _URL.match(name)
    return match is not None and match[1].lower() in PACKAGES


def without_secrets(url: str) -> str:
    """A URL as it may stand in logs and records.

    >>> without_secrets("s3://key:secret@bucket/a.wav")
    's3://***@bucket/a.wav'
    >>> without_secrets("https://host/a.wav?X-Amz-Signature=0123")
    'https://host/a.wav?***'
    """
    if is_remote(url):
        return re.sub(r"^([^/]*//)[^/]*:[^/]*@", r"\1***@", url)
    return re.sub(r"\?.*", "?***", re.sub(r"^([^/]*//)[^/]*@", r"\1***@", url), flags=re.DOTALL)


def check_url(url: str) -> None:
    """Refuse a URL that is not read.

    Raises:
        InputError: it is of another kind, names no bucket, or has credentials in it.
    """
    shown = without_secrets(url)
    if not is_remote(url):
        raise InputError(
            f"{shown!r} is a URL that is not opened; expected one of {', '.join(PACKAGES)}://, or the path "
            "of a downloaded file"
        )
    if shown != url:
        raise InputError(
            f"{shown!r} has credentials in it; give them in the environment or in the store's own "
            "configuration file"
        )
    if not url.partition("://")[2].strip("/"):
        raise InputError(f"{url!r} names no bucket; expected {url.partition(':')[0]}://BUCKET/...")


def objects(url: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, State]]:
    """What a URL means: an object, all below a folder, or what a pattern matches; folder by folder.

    Args:
        url: of an object, a folder (``s3://bucket/calls``) or with a pattern (``*``, ``?``, ``[``, ``**``).
        wanted: which names are taken from a folder.

    Yields:
        URL and state of each object, by name.

    Raises:
        InputError: see :func:`check_url`; ObjectStoreError: the store cannot be read; AudioError: nothing is
            there.
        MissingExtraError: the package for the store is missing.
    """
    store, path, scheme = _store(url)
    found = None if path.endswith("/") or url.endswith("/") else _info(store, path, url)
    if found is not None and found["type"] != "directory":
        yield url, _state(found)
        return
    magic = _MAGIC.search(path) if found is None else None
    if magic is None:
        root, matches, deepest = path.rstrip("/"), wanted, 0
    else:
        from fsspec.utils import glob_translate

        root = path[: magic.start()].rpartition("/")[0]
        pattern = re.compile(glob_translate(path))
        rest = path[len(root) :]
        matches = lambda name: pattern.match(name) is not None  # noqa: E731
        deepest = 0 if "**" in rest else rest.count("/")
    for info in _below(store, root, url, deepest):
        if matches(info["name"]) and not _hidden(info["name"], root):
            yield f"{scheme}://{info['name']}", _state(info)


def state(url: str) -> State | None:
    """The state of an object now; None if it is not there or cannot be seen."""
    try:
        store, path, _ = _store(url)
        info = _info(store, path, url)
    except EmotraceError:
        return None
    return None if info is None or info["type"] == "directory" else _state(info)


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
    store, path, _ = _store(url)
    with output_errors(tempfile.gettempdir()):
        nameless = tempfile.TemporaryFile()  # noqa: SIM115
    with nameless:
        there = _patiently(lambda: _copy(store, path, nameless, limits, url, go_on), url)
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
        there = _state(source.details)
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


def _below(store: Any, root: str, url: str, deepest: int) -> Iterator[Mapping[str, Any]]:
    """All objects below a folder, by name; hidden folders are not entered."""
    pages = _s3_pages if hasattr(store, "call_s3") else _level
    left = [(root, 1)]
    while left:
        folder, depth = left.pop()
        folders = []
        for page in pages(store, folder, url):
            yield from (each for each in page if each["type"] == "file" and not each["name"].endswith("/"))
            folders += [each["name"].rstrip("/") for each in page if each["type"] == "directory"]
        if not deepest or depth < deepest:
            left += [
                (name, depth + 1) for name in reversed(folders) if name != folder and not _hidden(name, root)
            ]


def _level(store: Any, folder: str, url: str) -> Iterator[list[Mapping[str, Any]]]:
    """What is in a folder, all at once."""
    entries = _patiently(lambda: store.ls(folder, detail=True, refresh=True), url)
    yield sorted(entries, key=lambda each: str(each["name"]))


def _s3_pages(store: Any, folder: str, url: str) -> Iterator[list[Mapping[str, Any]]]:
    """What is in a folder of S3, as it comes: millions of objects of one folder are never in memory."""
    bucket, _, prefix = folder.partition("/")
    asked: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": f"{prefix}/" if prefix else "",
        "Delimiter": "/",
        "MaxKeys": PAGE_KEYS,
    }
    while True:
        page = _patiently(lambda: store.call_s3("list_objects_v2", **asked), url)
        yield [
            *(
                {"name": f"{bucket}/{each['Prefix']}", "type": "directory"}
                for each in page.get("CommonPrefixes", ())
            ),
            *(
                {
                    "name": f"{bucket}/{each['Key']}",
                    "type": "file",
                    "size": each["Size"],
                    "ETag": each["ETag"],
                }
                for each in page.get("Contents", ())
            ),
        ]
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _hidden(name: str, root: str) -> bool:
    return any(part.startswith(".") for part in name[len(root) :].split("/"))


def _store(url: str) -> tuple[Any, str, str]:
    """File system, path in it, and scheme of a URL."""
    check_url(url)
    scheme = url.partition("://")[0]
    try:
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False}
        store = fsspec.filesystem(scheme.lower(), **options)
    except ImportError as error:
        package = PACKAGES[scheme.lower()]
        raise MissingExtraError(f"{scheme}:// needs a package: pip install {package!r}") from error
    except Exception as error:
        raise _explained(error, url) from error
    return store, url.partition("://")[2], scheme


def _info(store: Any, path: str, url: str) -> Mapping[str, Any] | None:
    try:
        info: Mapping[str, Any] = _patiently(lambda: store.info(path, refresh=True), url)
    except _MissingError:
        return None
    return info


def _state(info: Mapping[str, Any]) -> State:
    keys = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "updated")
    mark = next((str(info[key]).strip('"') for key in keys if info.get(key) is not None), "")
    digest = hashlib.blake2b(mark.encode("utf-8"), digest_size=8).digest()
    return int(info.get("size") or 0), int.from_bytes(digest, "big") >> 1  # fits a signed 64-bit number


class _MissingError(AudioError):
    """There is no such object."""


def _patiently(work: Callable[[], T], url: str) -> T:
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
    shown = repr(without_secrets(url))
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
