from __future__ import annotations

from typing import Any

from scripts.audit import verdict

GOOD = {"name": "numpy", "version": "2.3", "vulns": []}
BAD = {"name": "gradio", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


def report(*packages: Any) -> Any:
    return {"dependencies": list(packages)}


def test_a_finding_fails_and_names_the_way_out() -> None:
    code, text = verdict(report(GOOD, BAD, UNKNOWN), required=False)
    assert code == 1
    assert "gradio 1.0: PYSEC-1, mended in 1.1" in text
    assert "not known to the advisory service: torch" in text


def test_without_a_finding_it_says_how_many_were_asked() -> None:
    assert verdict(report(GOOD), required=True) == (0, "no known vulnerability in 1 packages")


def test_what_could_not_be_asked_is_told_and_fails_where_it_must() -> None:
    for nothing in (None, report(UNKNOWN), report()):
        code, text = verdict(nothing, required=False)
        assert (code, text.startswith("NOT AUDITED")) == (0, True)
        assert verdict(nothing, required=True)[0] == 1
