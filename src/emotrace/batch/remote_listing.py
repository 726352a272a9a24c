"""What a URL of an object store means: an object, a folder, a pattern; listed page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from emotrace.batch.remote import State, info_of, opened, patiently, state_of

PAGE_KEYS = 1000
"""Objects that S3 is asked for at a time."""

_MAGIC = re.compile(r"[*?\[]")


def objects(url: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, State]]:
    """What a URL means: an object, all below a folder, or what a pattern matches; folder by folder.

    Args:
        url: of an object, a folder (``s3://bucket/calls``) or with a pattern (``*``, ``?``, ``[``, ``**``).
        wanted: which names are taken from a folder.

    Yields:
        URL and state of each object, by name.

    Raises:
        InputError: see :func:`~emotrace.batch.urls.check_url`.
        ObjectStoreError: the store cannot be read.
        AudioError: nothing is there.
        MissingExtraError: the package for the store is missing.
    """
    store, path, scheme = opened(url)
    found = None if path.endswith("/") or url.endswith("/") else info_of(store, path, url)
    if found is not None and found["type"] != "directory":
        yield url, state_of(found)
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
            yield f"{scheme}://{info['name']}", state_of(info)


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
    entries = patiently(lambda: store.ls(folder, detail=True, refresh=True), url)
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
        page = patiently(lambda: store.call_s3("list_objects_v2", **asked), url)
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
