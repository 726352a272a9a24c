"""Fixtures of the store."""

from __future__ import annotations

from tests.store.opened import database_url, store

__all__ = ["database_url", "store"]
