"""The database: SQLite in the data folder by default, PostgreSQL by its URL; errors in words; migrations."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from emotrace.errors import DiskFullError, EmotraceError, MissingExtraError, OptionError, StoreError
from emotrace.outputs.writing import output_errors

FILE = "emotrace.db"
MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = crc32(b"emotrace")
_PG_FULL = "53100"
_BUSY_SECONDS = 30
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_migrating = threading.Lock()  # Alembic keeps its context in the module


class Database:
    """A database, opened and brought up to date.

    Args:
        url: ``postgresql://...`` or ``sqlite:///...``; None is :data:`FILE` in the folder.
        folder: of the data; made for this user alone if it is not there.

    Raises:
        OptionError: the URL is of no database that is served.
        StoreError: it cannot be reached, or was made by a newer emotrace.
        OutputError: the folder cannot be made.

    Attributes:
        url: of it.
        engine: of SQLAlchemy.
    """

    def __init__(self, url: str | None, folder: Path) -> None:
        with output_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.url = _url(url, folder)
        self.engine = _engine(self.url)
        self._writing = self.engine.execution_options(writing=True)
        self._turn: AbstractContextManager[Any] = nullcontext() if self.postgres else threading.Lock()
        try:
            self._migrate()
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def postgres(self) -> bool:
        """Whether it is PostgreSQL; else it is SQLite."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            StoreError: the database cannot be reached.
        """
        with _in_words(self.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, committed at the end.

        Raises:
            StoreError: the database cannot be reached; whether the last commit was done is then not known.
            DiskFullError: there is no room; nothing was changed.
        """
        with _in_words(self.url), self._turn, self._writing.begin() as connection:
            yield connection  # threads take turns: SQLite would let them sleep until they may

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Whether nobody else, of all servers on this database, is inside a block of this name.

        SQLite has one server alone as a rule; there it is always so.

        Args:
            name: of what is to be done.
        """
        if not self.postgres:
            yield True
            return
        key = {"key": crc32(name.encode())}
        with _in_words(self.url), self.engine.connect() as connection:
            yield bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), key))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.migration import MigrationContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with _migrating, self.writing() as connection:
            if self.postgres:  # one server at a time; SQLite's transaction is alone anyway
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            there = set(MigrationContext.configure(connection).get_current_heads())
            if not there <= known:
                raise StoreError(
                    f"the database {_shown(self.url)} was made by a newer emotrace (revision "
                    f"{', '.join(sorted(there - known))}); update this one, or choose another database"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _url(url: str | None, folder: Path) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        made = make_url(url)
    except ArgumentError as error:
        raise OptionError(
            "the database's URL cannot be read; expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE"
        ) from error
    made = made.set(drivername=_DRIVERS.get(made.drivername, made.drivername))
    if made.drivername not in ("sqlite", "postgresql+psycopg") or not made.database:
        raise OptionError(
            f"the database {_shown(made)} is of a kind that is not served; expected "
            "postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE"
        )
    return made


def _engine(url: URL) -> Engine:
    sqlite = url.drivername == "sqlite"
    arguments: dict[str, Any] = (
        {"timeout": _BUSY_SECONDS} if sqlite else {"connect_timeout": 5, "tcp_user_timeout": 10_000}
    )
    try:
        engine = create_engine(url, pool_pre_ping=not sqlite, pool_timeout=10, connect_args=arguments)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise MissingExtraError(
            "PostgreSQL needs psycopg, which is not installed; run: pip install 'emotrace[server]'"
        ) from error
    if sqlite:
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin in _begin
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")  # no upgrade that could deadlock


@contextmanager
def _in_words(url: URL) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise  # a mistake of the caller's, not of the database's
    except (DBAPIError, NoConnectionError) as error:
        raise _spoken(url, error) from error


def _spoken(url: URL, error: Exception) -> EmotraceError:
    cause = getattr(error, "orig", None) or error
    if getattr(cause, "sqlstate", None) == _PG_FULL or "disk is full" in str(cause):
        return DiskFullError(
            f"the database {_shown(url)} cannot be written: the disk is full; free some space"
        )
    reason = (" ".join(str(cause).split()) or type(cause).__name__)[:300]
    return StoreError(f"the database {_shown(url)} cannot be used: {reason}; try again when it is back")


def _shown(url: URL) -> str:
    return repr(url.set(query={}).render_as_string(hide_password=True))
