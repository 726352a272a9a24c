"""Checkpoints on Hugging Face, or on a mirror of it (``HF_ENDPOINT``), in the cache that ``HF_HOME`` names.

The branch is resolved to a commit first, and every file is taken from that commit. Files lie in the hub's own
cache, as its library lays it out (``blobs/CHECKSUM``, ``snapshots/COMMIT/FILE``), so whoever downloaded a
checkpoint before need not do it again, and other programs find it.
"""

from __future__ import annotations

import re
from pathlib import Path

from emotrace.errors import DownloadError
from emotrace.models.catalogue import EXAMPLE, required
from emotrace.models.hub import (
    Checkpoint,
    OnProgress,
    RemoteFile,
    Snapshot,
    check,
    fetch,
    partial,
    wanted,
)
from emotrace.models.hub_errors import explained

SECONDS = 30.0
"""Longest wait for an answer about a repository."""


def look(repository: str, revision: str | None) -> Snapshot:
    """What a repository holds at a revision; offline, what the cache holds of it.

    Raises:
        DownloadError: it cannot be told.
    """
    asked = revision or "main"
    with explained(repository, asked, "Hugging Face"):
        from huggingface_hub import HfApi, constants

        if constants.HF_HUB_OFFLINE:
            return _look_into_cache(repository, asked)
        info = HfApi().model_info(repository, revision=asked, files_metadata=True, timeout=SECONDS)
        files = {
            f.rfilename: RemoteFile(f.rfilename, f.size or 0, f.lfs.sha256 if f.lfs else f.blob_id or "")
            for f in info.siblings or ()
        }
        if not re.fullmatch("[0-9a-f]{40}", info.sha or ""):
            raise DownloadError(
                f"Hugging Face tells no commit of {repository!r} at {asked!r}; check HF_ENDPOINT, or try "
                "--hub modelscope"
            )
        return Snapshot("huggingface", repository, asked, info.sha, wanted(repository, files))


def _look_into_cache(repository: str, asked: str) -> Snapshot:
    from huggingface_hub import try_to_load_from_cache

    needed = required(repository)
    found = {
        path: Path(cached)
        for path in (*needed, EXAMPLE)
        if isinstance(cached := try_to_load_from_cache(repository, path, revision=asked), str)
    }
    if not found.keys() >= set(needed):
        raise DownloadError(
            f"offline mode is on (HF_HUB_OFFLINE) and the cache in {str(_cache())!r} has no complete "
            f"{repository!r} at {asked!r}; unset it, or give a downloaded folder with --from"
        )
    files = {path: RemoteFile(path, at.stat().st_size, _digest(at)) for path, at in found.items()}
    commit = found[needed[0]].parent.name
    return Snapshot("huggingface", repository, asked, commit, wanted(repository, files))


def _digest(cached: Path) -> str:
    """Checksum of a file of the cache: the name of what its link points to."""
    name = cached.readlink().name if cached.is_symlink() else ""
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name):
        return name
    from emotrace.models.package import entry_of

    return entry_of(cached).sha256  # a system without links: there is nothing to compare with


def missing_bytes(snapshot: Snapshot) -> tuple[int, Path]:
    """How much is still to download, and the folder that it goes to."""
    missing = 0
    for file in snapshot.files:
        if _cached(snapshot, file) is None:
            part = partial(_blob(snapshot, file))
            missing += file.bytes - (part.stat().st_size if part.exists() else 0)
    return max(missing, 0), _cache()


def download(snapshot: Snapshot, on_progress: OnProgress | None = None) -> Checkpoint:
    """Bring the files of a snapshot into the cache, each compared with its checksum.

    Raises:
        DownloadError: the hub cannot be reached, or gives something else than it lists; that is not kept.
        OutputError: the cache cannot be written.
    """
    with explained(snapshot.repository, snapshot.revision, "Hugging Face"):
        paths = [_obtain(snapshot, file, on_progress) for file in snapshot.files]
        _remember(snapshot)
    return Checkpoint(paths[0].parent, snapshot, keep=True)


def _obtain(snapshot: Snapshot, file: RemoteFile, on_progress: OnProgress | None) -> Path:
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    repository, commit = snapshot.repository, snapshot.revision
    path = _cached(snapshot, file)
    if path is not None:
        check(path, file, on_progress)
        return path
    blob = _blob(snapshot, file)
    lock = _cache() / ".locks" / _folder(snapshot).name / f"{blob.name}.emotrace.lock"
    url = hf_hub_url(repository, file.path, revision=commit)
    fetch(url, build_hf_headers(), blob, file, lock=lock, on_progress=on_progress)
    # The library finds the blob and links to it.
    path = Path(hf_hub_download(repository, file.path, revision=commit))
    if path.resolve() != blob.resolve():
        check(path, file, on_progress)
    return path


def _remember(snapshot: Snapshot) -> None:
    """Note the commit of the branch, by which the files are found offline."""
    inside = all(part.strip(".") for part in snapshot.asked.split("/"))
    if snapshot.asked != snapshot.commit and inside:
        ref = _folder(snapshot) / "refs" / snapshot.asked
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(snapshot.revision, encoding="ascii")


def _cached(snapshot: Snapshot, file: RemoteFile) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(snapshot.repository, file.path, revision=snapshot.revision)
    return Path(found) if isinstance(found, str) else None


def _blob(snapshot: Snapshot, file: RemoteFile) -> Path:
    return _folder(snapshot) / "blobs" / file.digest


def _folder(snapshot: Snapshot) -> Path:
    from huggingface_hub.file_download import repo_folder_name

    return _cache() / repo_folder_name(repo_id=snapshot.repository, repo_type="model")


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
