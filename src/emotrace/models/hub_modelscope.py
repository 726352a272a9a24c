"""Checkpoints on ModelScope, by its HTTP API (``MODELSCOPE_ENDPOINT``); for networks without Hugging Face.

A listing names a sha256 for every file. The commit that it belongs to is told in parts: the first digits for
the whole repository, all of them for each file's own last change. Copies in the caches of FunASR and of
ModelScope's client are used if their checksums are right.

Source: ModelScope's own client, https://github.com/modelscope/modelscope_hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from emotrace.errors import DownloadError
from emotrace.models.catalogue import required
from emotrace.models.hub import (
    Checkpoint,
    OnProgress,
    RemoteFile,
    Snapshot,
    fetch,
    matches,
    partial,
    wanted,
)
from emotrace.models.hub_errors import explained
from emotrace.models.registry import home

ENDPOINT = "https://modelscope.cn"
BRANCH = "master"
SECONDS = 30.0
"""Longest wait for an answer about a repository."""


def look(repository: str, revision: str | None) -> Snapshot:
    """What a repository holds at a revision.

    Raises:
        DownloadError: it cannot be told.
    """
    asked = revision or BRANCH
    with explained(repository, asked, "ModelScope"):
        from huggingface_hub import get_session, hf_raise_for_status

        url = f"{_endpoint()}/api/v1/models/{repository}/repo/files"
        response = get_session().get(
            url, params={"Revision": asked, "Recursive": "True"}, timeout=SECONDS, follow_redirects=True
        )
        hf_raise_for_status(response)
        try:
            data = response.json()["Data"]
            listed = data["Files"]
            if listed is None:  # the answer for a revision that is not there, with status 200
                raise DownloadError(
                    f"{repository!r} on ModelScope has no revision {asked!r}; leave --revision out for the "
                    "newest"
                )
            files = {row["Path"]: _file(row) for row in listed if row.get("Type") != "tree"}
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise DownloadError(
                f"{_endpoint()} does not answer like ModelScope; check MODELSCOPE_ENDPOINT"
            ) from problem
        return Snapshot("modelscope", repository, asked, _commit(data, listed), wanted(repository, files))


def _file(row: dict[str, Any]) -> RemoteFile:
    return RemoteFile(row["Path"], int(row["Size"]), str(row.get("Sha256") or "").lower())


def _commit(data: dict[str, Any], listed: list[dict[str, Any]]) -> str | None:
    latest = data.get("LatestCommitter") or {}
    whole, short = str(latest.get("Id") or ""), str(latest.get("ShortId") or "")
    candidates = [whole] if whole else [str(row.get("Revision")) for row in listed] if short else []
    full = (c for c in candidates if c.startswith(short) and re.fullmatch(r"[0-9a-f]{40}", c))
    return next(full, None)


def missing_bytes(snapshot: Snapshot) -> tuple[int, Path]:
    """How much is still to download, and the folder that it goes to."""
    folder = _downloads(snapshot)
    if next(_copies(snapshot), None) is not None:
        return 0, folder
    paths = [at for file in snapshot.files for at in (folder / file.path, partial(folder / file.path))]
    there = sum(path.stat().st_size for path in paths if path.exists())
    return max(sum(file.bytes for file in snapshot.files) - there, 0), folder


def download(snapshot: Snapshot, on_progress: OnProgress | None = None) -> Checkpoint:
    """Bring the files of a snapshot into a folder of emotrace's own, each compared with its checksum.

    Raises:
        DownloadError: the hub cannot be reached, or gives something else than it lists; that is not kept.
        OutputError: the folder cannot be written.
    """
    with explained(snapshot.repository, snapshot.revision, "ModelScope"):
        for copy in _copies(snapshot):
            if all(
                matches(copy / f.path, f, on_progress) for f in snapshot.files if (copy / f.path).exists()
            ):
                return Checkpoint(copy, snapshot, keep=True)
        folder = _downloads(snapshot)
        for file in snapshot.files:
            query = urlencode({"Revision": snapshot.revision, "FilePath": file.path})
            url = f"{_endpoint()}/api/v1/models/{snapshot.repository}/repo?{query}"
            lock = home() / "downloads" / ".locks" / f"{file.digest}.lock"
            fetch(url, {}, folder / file.path, file, lock=lock, on_progress=on_progress)
        return Checkpoint(folder, snapshot, keep=False)


def _downloads(snapshot: Snapshot) -> Path:
    name = f"{snapshot.repository}@{snapshot.revision}"
    return home() / "downloads" / "modelscope" / quote(name, safe="@")


def _copies(snapshot: Snapshot) -> Iterator[Path]:
    """Folders of FunASR or of ModelScope's client with files of the right sizes."""
    needed = [file for file in snapshot.files if file.path in required(snapshot.repository)]
    for folder in _caches(snapshot):
        there = [folder / file.path for file in needed]
        if all(p.is_file() and p.stat().st_size == f.bytes for p, f in zip(there, needed, strict=True)):
            yield folder


def _caches(snapshot: Snapshot) -> Iterator[Path]:
    """Where the client of ModelScope keeps a repository, which differs between its versions."""
    given = os.environ.get("MODELSCOPE_CACHE")
    root = Path(given).expanduser() if given else Path.home() / ".cache" / "modelscope"
    owner, name = snapshot.repository.split("/")
    for base in (root, root / "hub"):
        yield base / "models" / owner / name
        yield base / owner / name
        yield from sorted((base / "models" / f"{owner}--{name}" / "snapshots").glob("*"))


def _endpoint() -> str:
    return os.environ.get("MODELSCOPE_ENDPOINT", "").rstrip("/") or ENDPOINT
