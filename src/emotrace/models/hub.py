"""What both hubs have in common: what lies there, downloads that go on where they stopped, checked bytes.

The HTTP is that of huggingface_hub: its session, its retries, ``HF_TOKEN``, ``HF_ENDPOINT``, proxies and
offline mode. Its own downloads begin anew in every process (as of 2.4), so the partial file is kept here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotrace.errors import DownloadError
from emotrace.models.catalogue import EXAMPLE, Hub, required

OnProgress = Callable[[str, float, float], object]
"""Called with what is done, how much of it, and how much there is in all."""

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a hub.

    Attributes:
        path: inside its repository.
        bytes: its size.
        digest: its checksum: 64 hex digits are a sha256, 40 are that of a git blob.
    """

    path: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a repository at one commit.

    Attributes:
        hub: where it is.
        repository: its name there.
        asked: the branch, tag or commit that was asked for.
        commit: its commit; None if the hub does not tell: then the checksums alone say what it is.
        files: those that are wanted.
    """

    hub: Hub
    repository: str
    asked: str
    commit: str | None
    files: tuple[RemoteFile, ...]

    @property
    def revision(self) -> str:
        """Under which the files are asked for."""
        return self.commit or self.asked


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on this disk.

    Attributes:
        folder: holds its files as they were published.
        snapshot: what it is a copy of.
        keep: whether the folder belongs to someone else, so that it is not removed after the conversion.
    """

    folder: Path
    snapshot: Snapshot
    keep: bool


def wanted(repository: str, files: dict[str, RemoteFile]) -> tuple[RemoteFile, ...]:
    """The files of a checkpoint among those of a repository.

    Raises:
        DownloadError: one that is needed is not there, or has no checksum.
    """
    needed = required(repository)
    if missing := [path for path in needed if path not in files]:
        raise DownloadError(
            f"{repository!r} has no {', '.join(missing)}; expected a published emotion2vec checkpoint: "
            "try another --revision"
        )
    chosen = tuple(files[path] for path in (*needed, EXAMPLE) if path in files)
    for file in chosen:
        if len(file.digest) not in (40, 64):
            raise DownloadError(
                f"the hub tells no checksum of {file.path} in {repository!r}, so it cannot be checked; try "
                "another hub or --revision"
            )
    return chosen


def matches(path: Path, file: RemoteFile, on_progress: OnProgress | None = None) -> bool:
    """Whether a file has the size and the checksum that a hub lists."""
    size = path.stat().st_size
    if size != file.bytes:
        return False
    digest = hashlib.sha256() if len(file.digest) == 64 else hashlib.sha1(b"blob %d\0" % size)
    done = 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            if on_progress:
                on_progress(f"check {file.path}", done, size)
    return digest.hexdigest() == file.digest


def check(path: Path, file: RemoteFile, on_progress: OnProgress | None = None) -> None:
    """Remove a file, and what it is a link to, if it is not the one that a hub lists.

    Raises:
        DownloadError: it was not, and is gone.
    """
    if matches(path, file, on_progress):
        return
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    raise DownloadError(
        f"{file.path} is not the file that the hub lists (checksum {file.digest[:12]}, {file.bytes} bytes); "
        "it was removed: pull again, or try another --hub"
    )


def partial(target: Path) -> Path:
    """Where a download lies until it is complete and checked."""
    return target.with_name(f"{target.name}.emotrace.part")


def fetch(
    url: str,
    headers: dict[str, str],
    target: Path,
    file: RemoteFile,
    *,
    lock: Path,
    on_progress: OnProgress | None = None,
) -> None:
    """Download a file, going on where an earlier attempt stopped, check it, and put it in its place.

    Args:
        url: where it is.
        headers: to send.
        target: where it shall be; if it is there, it is checked.
        file: what it has to be.
        lock: path of a lock file: only one process at a time writes the partial file.
        on_progress: told the bytes.

    Raises:
        DownloadError: it is not what it has to be; nothing is kept then.
        OSError: it cannot be written; other errors are those of huggingface_hub.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock, f"wait for another download of {file.path}", on_progress):
        if target.exists():
            check(target, file, on_progress)
            return
        part = partial(target)
        try:
            _fill(url, headers, part, file, on_progress)
        except OSError as problem:
            if type(problem) is OSError:  # a full disk, or another length than the hub lists
                part.unlink(missing_ok=True)
            raise
        check(part, file, on_progress)
        part.replace(target)


def _fill(
    url: str, headers: dict[str, str], part: Path, file: RemoteFile, on_progress: OnProgress | None
) -> None:
    from huggingface_hub.file_download import http_get

    with part.open("ab") as stream, _without_warnings():
        if stream.tell() > file.bytes:
            stream.truncate(0)
        http_get(
            url,
            stream,
            resume_size=stream.tell(),
            headers={**headers, "Accept-Encoding": "identity"},  # parts of a compressed answer do not fit
            expected_size=file.bytes,
            displayed_filename=file.path,
            tqdm_class=_bar(file, on_progress),
        )


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Do not let the library say that a connection broke: it goes on, or there is an error."""

    def quiet(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Error while downloading")

    logger = logging.getLogger("huggingface_hub.file_download")
    logger.addFilter(quiet)
    try:
        yield
    finally:
        logger.removeFilter(quiet)


def _bar(file: RemoteFile, on_progress: OnProgress | None) -> Any:
    """What huggingface_hub takes for a progress bar."""

    class Bar:
        def __init__(self, *, initial: float = 0, **_: object) -> None:
            self._done = initial
            self.update(0)

        def update(self, count: float) -> None:
            self._done += count
            if on_progress:
                on_progress(f"download {file.path}", self._done, file.bytes)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None: ...

        def close(self) -> None: ...

    return Bar


@contextmanager
def locked(lock: Path, waiting: str, on_progress: OnProgress | None) -> Iterator[None]:
    """Keep other processes out for a while.

    Args:
        lock: path of the lock file, made if it is not there.
        waiting: step that is told while another process has it.
        on_progress: told.
    """
    from filelock import FileLock, Timeout

    lock.parent.mkdir(parents=True, exist_ok=True)
    guard = FileLock(lock)
    try:
        guard.acquire(timeout=0)
    except Timeout:
        if on_progress:
            on_progress(waiting, 0, 0)
        guard.acquire()
    try:
        yield
    finally:
        guard.release()
