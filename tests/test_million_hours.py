from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.million_hours import Assumptions, plans, table

PAGE = Path(__file__).parents[1] / "docs" / "cluster.md"


def test_the_page_shows_what_the_script_says() -> None:
    assert "\n".join(table(Assumptions())) in PAGE.read_text("utf-8")


def test_more_cores_cost_the_same_and_take_less_until_something_else_bounds_it() -> None:
    few, many = Assumptions(cores=100), Assumptions(cores=200)
    for one, other in list(zip(plans(few), plans(many), strict=True))[:3]:
        assert one.price == pytest.approx(other.price)
        assert one.wall == pytest.approx(2 * other.wall)
    slow = plans(replace(many, network=10.0))
    assert {plan.bottleneck for plan in slow[:2]} == {"network"}
    assert slow[0].wall == pytest.approx(8e6 * 3600 / 1000 / 10 / 3600)
