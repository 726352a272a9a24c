"""A stand-in for Hugging Face and ModelScope that speaks their protocols on this machine.

Hugging Face: ``/api/models/REPO/revision/REV?blobs=true``, ``/REPO/resolve/REV/FILE`` with its headers, large
files by a redirect to another host. ModelScope: ``/api/v1/models/REPO/repo/files`` (an unknown revision is
status 200 without files) and ``.../repo?FilePath=``, large files by a redirect as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000
"""Bytes from which a file is stored apart."""


class Asked(NamedTuple):
    """A request: what the server's log is made of."""

    method: str
    path: str
    range: str | None
    token: str | None


@dataclass
class Hub:
    """What the stand-in holds, and how it misbehaves.

    Attributes:
        files: content of each file of the one repository.
        names: under which names it is there.
        branches: its revisions besides the commit.
        log: the requests so far.
        cuts: for a file, after how many bytes the next answers end.
        stalls: for a file, after how many bytes nothing more comes until ``released``.
        lies: content that is sent instead of what is listed.
        errors: for a part of a path, statuses of the next answers; 0 is a right one.
        gated: whether its terms have to be accepted.
        ranged: whether it can begin in the middle of a file.
        delay: seconds before each answer.
        endpoint: its address.
    """

    files: dict[str, bytes]
    names: tuple[str, ...] = ("emotion2vec/emotion2vec_plus_large", "iic/emotion2vec_plus_large")
    branches: tuple[str, ...] = ("main", "master")
    log: list[Asked] = field(default_factory=list)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    stalls: dict[str, int] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    errors: dict[str, list[int]] = field(default_factory=dict)
    gated: bool = False
    ranged: bool = True
    delay: float = 0.0
    released: threading.Event = field(default_factory=threading.Event)
    endpoint: str = ""

    def ranges(self, path: str) -> list[str | None]:
        """The Range header of each request for the content of a file that is stored apart."""
        name = _sha256(self.files[path])
        return [a.range for a in self.log if a.method == "GET" and a.path.endswith(f"/cdn/{name}")]


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Hub]:
    """Run the stand-in; its address is ``endpoint``."""
    hub = Hub(files)

    class Handler(_Handler):
        state = hub

    server = _Server(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what is tested."""


def use(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process take the stand-in for both hubs, on a machine where nothing was downloaded."""
    from huggingface_hub import constants

    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("EMOTRACE_HOME", str(home / "emotrace"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.endpoint)
    monkeypatch.delenv("MODELSCOPE_CACHE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    point_to(hub.endpoint, monkeypatch)


def point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does when huggingface_hub is imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.state
        headers = self.headers
        hub.log.append(Asked(self.command, self.path, headers["Range"], headers["Authorization"]))
        threading.Event().wait(hub.delay)  # tests take time.sleep away
        for part, statuses in hub.errors.items():
            if part in self.path and statuses and (status := statuses.pop(0)):
                self._send(status, b"no")
                return
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        path = unquote(url.path)
        if match := re.fullmatch(r"/api/models/(.+?)/revision/(.+)", path):
            self._info(match[1], match[2])
        elif match := re.fullmatch(r"/api/models/(.+?)/tree/(.+)", path):
            self._tree(match[1], match[2])
        elif match := re.fullmatch(r"/api/v1/models/(.+)/repo/files", path):
            self._listing(match[1], query)
        elif match := re.fullmatch(r"/api/v1/models/(.+)/repo", path):
            self._file(match[1], query["Revision"], query["FilePath"])
        elif match := re.fullmatch(r"/cdn/(.+)", path):
            self._content(next(p for p, c in hub.files.items() if _sha256(c) == match[1]))
        elif match := re.fullmatch(r"/(.+?/.+?)/resolve/(.+?)/(.+)", path):
            self._file(match[1], match[2], match[3])
        else:
            self._send(404, b"nothing here")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), Content_Type="application/json")

    def _known(self, repository: str, revision: str) -> bool:
        if repository not in self.state.names:
            self._send(401, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        elif self.state.gated and not self.headers["Authorization"]:
            self._send(403, b"{}", X_Error_Code="GatedRepo", X_Error_Message="Access is restricted")
        elif revision not in (*self.state.branches, COMMIT):
            self._send(404, b"{}", X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
        else:
            return True
        return False

    def _info(self, repository: str, revision: str) -> None:
        if self._known(repository, revision):
            siblings = [
                {
                    "rfilename": path,
                    "size": len(content),
                    "blobId": _git(content),
                    **({"lfs": {"sha256": _sha256(content), "size": len(content), "pointerSize": 135}}
                       if len(content) >= LARGE else {}),
                }
                for path, content in self.state.files.items()
            ]  # fmt: skip
            self._json({"_id": "1", "id": repository, "sha": COMMIT, "siblings": siblings, "tags": []})

    def _tree(self, repository: str, revision: str) -> None:
        if self._known(repository, revision):
            rows: list[dict[str, Any]] = []
            for path, content in self.state.files.items():
                row = {"type": "file", "path": path, "size": len(content), "oid": _git(content)}
                large = {"oid": _sha256(content), "size": len(content), "pointerSize": 135}
                rows.append({**row, "lfs": large} if len(content) >= LARGE else row)
            self._json(rows)

    def _listing(self, repository: str, query: dict[str, str]) -> None:
        if repository not in self.state.names:
            self._send(404, b'{"Code": 10010205001, "Message": "record not found", "Success": false}')
            return
        rows: list[dict[str, Any]] = [{"Path": "example", "Type": "tree", "Size": 0, "Sha256": ""}]
        for path, content in self.state.files.items():
            rows.append(
                {
                    "Path": path,
                    "Name": path.rpartition("/")[2],
                    "Type": "blob",
                    "Size": len(content),
                    "Sha256": _sha256(content),
                    "IsLFS": len(content) >= LARGE,
                    "Revision": COMMIT if path == "model.pt" else "f" * 40,
                }
            )
        latest = {"Id": "", "ShortId": COMMIT[:8]}
        known = query["Revision"] in (*self.state.branches, COMMIT)
        data = {"Files": rows, "IsVisual": 0, "LatestCommitter": latest}
        if not known:  # not an error
            data = {"Files": None, "IsVisual": 0, "LatestCommitter": None}
        self._json({"Code": 200, "Data": data, "Message": "success", "Success": True})

    def _file(self, repository: str, revision: str, path: str) -> None:
        if not self._known(repository, revision):
            return
        content = self.state.files.get(path)
        if content is None:
            self._send(404, b"{}", X_Error_Code="EntryNotFound", X_Error_Message="Entry not found")
        elif len(content) < LARGE:
            self._content(path)
        else:
            elsewhere = self.state.endpoint.replace("127.0.0.1", "localhost")
            self._send(
                302,
                b"",
                Location=f"{elsewhere}/cdn/{quote(_sha256(content))}",
                X_Repo_Commit=COMMIT,
                X_Linked_Etag=f'"{_sha256(content)}"',
                X_Linked_Size=str(len(content)),
            )

    def _content(self, path: str) -> None:
        content = self.state.lies.get(path, self.state.files[path])
        start = 0
        if wish := self.headers["Range"] if self.state.ranged else None:
            start = int(wish.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if wish else 200)
        if wish:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{_git(self.state.files[path])}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "HEAD":
            return
        if stall := self.state.stalls.get(path):
            self.wfile.write(content[start:stall])
            self.wfile.flush()
            self.state.released.wait(60)
            self.close_connection = True
        elif cuts := self.state.cuts.get(path):
            self.wfile.write(content[start : cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.write(content[start:])
