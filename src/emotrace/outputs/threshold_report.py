"""A fit of thresholds written down: JSON, CSV, a preset in TOML, a picture of the trade-off."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotrace.errors import EmotraceError, OptionError, OutputError
from emotrace.outputs.panels import FAINT, INK
from emotrace.outputs.picture import check_picture
from emotrace.outputs.writing import check_file, replacing
from emotrace.postprocess.intervals import Point
from emotrace.postprocess.presets import BUILTIN, Preset, read_presets
from emotrace.postprocess.thresholds import Goal, ThresholdFit
from emotrace.results import Failure

COLUMNS = ("min_confidence", "coverage", "precision", "precision_low", "precision_high", "kept", "right")
"""Header of the trade-off in CSV."""


def fit_record(fit: ThresholdFit, goal: Goal, failures: Sequence[Failure], left_out: int) -> dict[str, Any]:
    """A fit as a dict for :mod:`json`.

    Args:
        fit: what was found.
        goal: what was wanted.
        failures: clips that gave no result.
        left_out: rows of a test split.
    """
    wanted = {"precision": goal.precision, "coverage": goal.coverage}
    precision, coverage = (None if math.isnan(value) else round(value, 6) for value in fit.held_out)
    return {
        "schema_version": 1,
        "goal": {name: value for name, value in wanted.items() if value is not None},
        "min_confidence": fit.chosen.min_confidence,
        "min_gap": fit.min_gap,
        **{name: value for name, value in point_record(fit.chosen).items() if name != "min_confidence"},
        "held_out": {"precision": precision, "coverage": coverage},
        "clips": fit.clips,
        "accuracy": round(fit.accuracy, 6),
        "speakers": fit.speakers or None,
        "interval_over": fit.interval_over,
        "test_rows_left_out": left_out,
        "failures": [{"source": f.source, "code": f.code, "reason": f.reason} for f in failures],
        "curve": [point_record(point) for point in fit.curve],
    }


def point_record(point: Point) -> dict[str, Any]:
    """A point of the trade-off as a dict; what is not known is None."""
    low, high = point.interval
    shares = {
        "coverage": point.coverage,
        "precision": point.precision,
        "precision_low": low,
        "precision_high": high,
    }
    return {
        "min_confidence": point.min_confidence,
        **{name: None if math.isnan(value) else round(value, 6) for name, value in shares.items()},
        "kept": point.kept,
        "right": point.right,
    }


def write_curve(path: Path, fit: ThresholdFit) -> None:
    """Write the trade-off as CSV.

    Raises:
        OutputError: it cannot be written.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(point_record(point) for point in fit.curve)
    with replacing(path) as temporary:
        temporary.write_text(out.getvalue(), encoding="utf-8")


def check_preset(path: Path, name: str) -> None:
    """Find out, before the work, whether a preset can be written to a file.

    Raises:
        OptionError: the name is that of a built-in preset, or cannot be written in UTF-8.
        OutputError: it is no place for a file, or holds something else than this one preset.
    """
    if name in BUILTIN:
        raise OptionError(f"the preset {name!r} comes with emotrace; expected another name")
    if not name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise OptionError(f"{name!r} cannot be the name of a preset; give it another one")
    place = check_file(path)
    if not place.exists():
        return
    other = not place.is_file() or list(_held(place)) != [name]
    if other:
        raise OutputError(
            f"{str(path)!r} is there already and is not the preset {name!r}; choose another name"
        )


def _held(path: Path) -> dict[str, Preset]:
    try:
        return read_presets(path)
    except EmotraceError:
        return {}


def write_preset(path: Path, name: str, fit: ThresholdFit, base: Preset, about: str) -> None:
    """Write the thresholds as a preset of the user.

    Args:
        path: of a TOML file that is not there, or holds an earlier fit of this name.
        name: of the preset.
        fit: what was found.
        base: what it changes.
        about: one line on how it was found.

    Raises:
        OutputError: it cannot be written.
    """
    check_preset(path, name)
    values: dict[str, Any]
    found = {"min_confidence": fit.chosen.min_confidence, "min_gap": fit.min_gap}
    if base.origin:  # a preset of a file, which need not be there when this one is read
        rules = base.rules.model_dump(exclude={"drop"})
        values = {**{key: "off" if value is None else value for key, value in rules.items()}, **found}
        lines = ['extends = "default"', f"drop = {json.dumps(sorted(base.rules.drop))}"]
    else:
        values, lines = found, [f"extends = {json.dumps(base.name)}"]
    lines.append(f"description = {json.dumps(about, ensure_ascii=False)}")
    lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    with replacing(path) as temporary:
        head = f"[{json.dumps(name, ensure_ascii=False)}]"
        temporary.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def save_curve(path: str | os.PathLike[str], fit: ThresholdFit, goal: Goal) -> None:
    """Draw precision over coverage, with its interval and the chosen point.

    Args:
        path: of a PNG or SVG file, by its ending.
        fit: what was found.
        goal: what was wanted.

    Raises:
        OptionError: the name does not end in ``.png`` or ``.svg``.
        MissingExtraError: matplotlib is not installed.
        OutputError: it cannot be written.
    """
    check_picture(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5), dpi=120, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    points = [point for point in fit.curve if point.kept]
    coverage = [point.coverage for point in points]
    low, high = zip(*(point.interval for point in points), strict=True)
    axes.fill_between(coverage, low, high, color="#56B4E9", alpha=0.3, linewidth=0, label="95 %")
    axes.plot(
        coverage, [p.precision for p in points], color="#0072B2", marker="o", markersize=3, label="precision"
    )
    chosen = fit.chosen
    label = f"confidence {chosen.min_confidence:g} or more, gap {fit.min_gap:g} or more"
    axes.plot([chosen.coverage], [chosen.precision], "D", color="#D55E00", markersize=8, label=label)
    if goal.precision is not None:
        axes.axhline(goal.precision, color=FAINT, linestyle=":", linewidth=1)
    else:
        axes.axvline(goal.coverage or 0.0, color=FAINT, linestyle=":", linewidth=1)
    axes.set(
        xlabel="coverage: share of the results that is kept", ylabel="precision: share of them that is right"
    )
    axes.set(xlim=(0, 1), ylim=(min(0.5, *low), 1.005))
    axes.set_title(f"{fit.clips} clips, intervals over {fit.interval_over}", color=INK, fontsize=10)
    axes.legend(loc="lower left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(Path(path)) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(temporary, format=Path(path).suffix.lower()[1:])
