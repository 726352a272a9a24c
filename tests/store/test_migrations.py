"""The migrations give the tables, once, whoever comes first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from emotrace.errors import MissingExtraError, OptionError, OutputError, StoreError
from emotrace.store import Store
from emotrace.store.database import Database
from emotrace.store.schema import metadata

OPEN = """
import sys
from pathlib import Path
from emotrace.store import Store
url, folder = sys.argv[1:]
sys.stdin.read()
store = Store(url or None, Path(folder))
store.audit.add("test", "opened")
print(len(store.audit.list().items) >= 1)
store.close()
"""


def test_the_migrations_give_exactly_the_tables(store: Store) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_an_open_database_is_opened_again_as_it_is(store: Store, database_url: str | None) -> None:
    store.audit.add("ann", "read", "a")
    again = Store(database_url, store.folder)
    assert [entry.subject for entry in again.audit.list().items] == ["a"]
    again.close()


def test_a_database_of_a_newer_emotrace_is_refused_and_left_alone(
    store: Store, database_url: str | None
) -> None:
    with store.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"made by a newer emotrace \(revision 9999\); update") as caught:
        Store(database_url, store.folder)
    assert "9999" in str(caught.value)
    with store.database.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_servers_that_start_at_once_all_get_the_tables(database_url: str | None, tmp_path: Path) -> None:
    arguments = [sys.executable, "-W", "error", "-c", OPEN, database_url or "", str(tmp_path)]
    started = [
        subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in started:
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out, error) == (0, "True\n", "")
    store = Store(database_url, tmp_path)
    assert len(store.audit.list().items) == 2
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "cannot be read; expected postgresql://"),
        ("mysql://root:secret@host/name", "kind that is not served"),
        ("postgresql://host", "kind that is not served"),
        ("sqlite://", "kind that is not served"),
    ],
)
def test_other_databases_are_refused_without_their_passwords(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        Database(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "emotrace.db").write_bytes(b"not a database at all, but some text that is long enough")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(None, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Store(None, tmp_path / "file")


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Store("postgresql://ann:secret@127.0.0.1:9/emotrace", tmp_path)
    assert "secret" not in str(caught.value)


def test_postgresql_needs_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match="psycopg"):
        Store("postgresql://127.0.0.1:9/emotrace", tmp_path)
