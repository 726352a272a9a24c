"""Alembic's door: migrations run on the connection that is given."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.sql.elements import False_

from emotrace.store.schema import metadata
from emotrace.store.types import Moment, Words


def render(kind: str, thing: Any, _: AutogenContext) -> str | Literal[False]:
    """Types and defaults as they are in every database, so that a migration imports nothing of today's."""
    if kind == "type" and isinstance(thing, Moment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(thing, Words):
        return "sa.Text()"
    if kind == "server_default" and isinstance(getattr(thing, "arg", None), False_):
        return "sa.false()"
    return False


if hasattr(context, "config"):  # else somebody only reads this module
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,  # SQLite alters tables by copying them
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()
