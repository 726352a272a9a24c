"""Write the migration between the last one and the tables: ``python scripts/new_migration.py MESSAGE``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from emotrace.store.database import MIGRATIONS


def main() -> None:
    """Compare a database at the last revision with the tables."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/new.db")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            made = command.revision(config, sys.argv[1], autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()
    [path] = [Path(each.path) for each in ([made] if not isinstance(made, list) else made) if each]
    for work in ("format", "check --fix"):
        subprocess.run([sys.executable, "-m", "ruff", *work.split(), str(path)], check=True)
    print(path)


if __name__ == "__main__":
    main()
