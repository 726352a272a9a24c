"""Tests of PostgreSQL are not passed over where they are asked for."""

from __future__ import annotations

import pytest

from tests import postgres


@pytest.mark.parametrize("variable", ["CI", "EMOTRACE_REQUIRE_POSTGRES"])
def test_a_missing_postgresql_fails_where_it_is_required(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "find", lambda: None)
    for name in ("CI", "EMOTRACE_REQUIRE_POSTGRES"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install postgresql"):
        postgres._programs()
    monkeypatch.setenv(variable, "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install postgresql"):
        postgres._programs()
