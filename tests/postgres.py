"""A real PostgreSQL for tests, started once and stopped at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = "/usr/lib/postgresql"
_ADVICE = "PostgreSQL's programs (initdb, postgres) are not found; install it: apt-get install postgresql"


class Postgres:
    """A server on a free port of loopback, with a data folder of its own.

    Args:
        folder: an empty one.

    Attributes:
        url: of its database ``postgres``.
    """

    def __init__(self, folder: Path) -> None:
        self._bin, self._data = _programs(), folder / "data"
        self._user = _unprivileged()
        self._port = _free_port()
        self._log = folder / "log"
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://emotrace@127.0.0.1:{self._port}/postgres"
        if self._user is not None:
            shutil.chown(folder, self._user)
            folder.chmod(0o700)
        made = [
            "-D",
            str(self._data),
            "-U",
            "emotrace",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        self._run("initdb", *made)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "200",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *flags],
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._group(),
                extra_groups=None if self._user is None else [],
                cwd="/",
            )
        end = time.monotonic() + 60
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"PostgreSQL does not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once; clients lose their connections."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(30)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database, which is dropped at the end."""
        import psycopg

        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        yield self.url.replace("/postgres", f"/{name}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            capture_output=True,
            user=self._user,
            group=self._group(),
            extra_groups=None if self._user is None else [],
            cwd="/",
        )

    def _group(self) -> int | None:
        if self._user is None:
            return None
        import pwd

        return pwd.getpwnam(self._user).pw_gid


def find() -> Path | None:
    """The folder of PostgreSQL's programs; None if there is none."""
    places: list[Path] = []
    config = shutil.which("pg_config")
    if config is not None:
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(said.stdout.strip()))
    versions = sorted(Path(_PLACES).glob("*/bin"), key=lambda place: _number(place.parent.name))
    places += reversed(versions)
    on_path = shutil.which("initdb")
    if on_path is not None:
        places.append(Path(on_path).parent)
    wanted = ("initdb", "postgres")
    return next((place for place in places if all((place / name).is_file() for name in wanted)), None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _programs() -> Path:
    found = find()
    if found is not None:
        return found
    if os.environ.get("CI") or os.environ.get("EMOTRACE_REQUIRE_POSTGRES"):
        pytest.fail(_ADVICE)
    pytest.skip(_ADVICE)


def _unprivileged() -> str | None:
    """Who runs it: PostgreSQL refuses root."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running() -> Iterator[Postgres]:
    """A server for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="emotrace-postgres-"))
    try:
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests; who stops it starts it again."""
    with running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database of this test alone."""
    with postgres.database() as url:
        yield url
