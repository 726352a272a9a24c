"""Is an installed model what it was, and does it still say what it should, on this CPU?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from emotrace.errors import EmotraceError, ModelError
from emotrace.labels import LABELS
from emotrace.models.catalogue import Golden
from emotrace.models.example import EXAMPLE_FILE, GOLDEN_TOLERANCE, difference, golden_of
from emotrace.models.package import ModelPackage
from emotrace.results import Array

OnProgress = Callable[[str, float, float], object]
Name = Literal["files", "parity", "example"]


SHORTEST_INT8 = 8000
"""Samples of the shortest clips on which int8 is measured when it is made."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: ``"files"``, ``"parity"`` or ``"example"``.
        graph: precision that ran, if one did.
        passed: None if it could not be looked at.
        detail: one sentence or figure.
    """

    name: Name
    graph: str | None
    passed: bool | None
    detail: str


def verify(package: ModelPackage, on_progress: OnProgress | None = None) -> list[Check]:
    """Hash the files of a package, run its parity check, and compare its example with what was published.

    Nothing of a package whose files are not right is run.

    Args:
        package: the model.
        on_progress: told what is looked at, how much of it is done and how much there is.

    >>> from emotrace.models import registry
    >>> [(check.name, check.passed) for check in verify(registry.find("compact"))]
    [('files', True), ('parity', None), ('example', None)]
    """
    files = _files(package, on_progress)
    if not files.passed:
        reason = "not run: the files are damaged"
        return [files, Check("parity", None, None, reason), Check("example", None, None, reason)]
    if on_progress:
        on_progress("compare with the source network", 0, 0)
    checks = [files, _attempt("parity", "fp32", partial(_parity, package))]
    if package.card.parity is not None and "int8" in package.card.graphs:
        checks.append(_attempt("parity", "int8", partial(_int8, package)))
    if on_progress:
        on_progress("compare with the published result", 0, 0)
    return [*checks, *_examples(package)]


def _files(package: ModelPackage, on_progress: OnProgress | None) -> Check:
    card = package.card
    total = card.total_bytes
    done, problems = 0, []

    def count(size: int) -> None:
        nonlocal done
        done += size
        if on_progress:
            on_progress("hash the files", done, total)

    for name in card.files:
        try:
            package.check(name, count)
        except ModelError as problem:  # noqa: PERF203
            problems.append(str(problem))
    if problems:
        return Check("files", None, False, "; ".join(problems))
    return Check("files", None, True, f"{len(card.files)} files, {total / 1e6:.1f} MB, every hash is right")


def _attempt(name: Name, graph: str | None, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except EmotraceError as problem:
        return Check(name, graph, False, str(problem))


def _parity(package: ModelPackage) -> Check:
    from emotrace.models.loading import load_encoder
    from emotrace.models.parity import check_package

    bounds = package.card.parity
    if bounds is None:
        return Check("parity", None, None, "the package has no parity check")
    found = check_package(package, load_encoder(package, precision="fp32", device="cpu"))
    passed = (
        found.frames_max_abs <= bounds.frames_tolerance
        and found.probability_max_abs <= bounds.probability_tolerance
    )
    detail = (
        f"features differ from the source network's by at most {found.frames_max_abs:.1e} (bound "
        f"{bounds.frames_tolerance:.0e}), probabilities by {found.probability_max_abs:.1e} (bound "
        f"{bounds.probability_tolerance:.0e})"
    )
    return Check("parity", "fp32", passed, detail)


def _int8(package: ModelPackage) -> Check:
    """The int8 graph over the clips of the parity file that are as long as those it was measured on."""
    from emotrace.models import parity
    from emotrace.models.loading import load_encoder

    encoders = {name: load_encoder(package, precision=name, device="cpu") for name in ("fp32", "int8")}

    def run(waveform: Array) -> tuple[Array, Array | None]:
        encoder = encoders["fp32" if len(waveform) < SHORTEST_INT8 else "int8"]
        [encoding] = encoder.encode([waveform])
        return encoding.frames, encoding.logits if len(encoding.logits) else None

    card = package.card
    assert card.parity is not None
    bound = card.int8.largest_change if card.int8 else 0.03
    change = parity.compare(package.file(card.parity.file), run).probability_max_abs
    detail = f"probabilities change by at most {change:.4f} (bound {bound:g})"
    return Check("parity", "int8", change <= bound, detail)


def _examples(package: ModelPackage) -> list[Check]:
    golden = golden_of(package.card)
    if golden is None:
        return [Check("example", None, None, "no result was published for this model")]
    if EXAMPLE_FILE not in package.card.files:
        return [Check("example", None, None, "the checkpoint came without its example clip")]
    return [
        _attempt("example", graph, partial(_example, package, graph, golden)) for graph in package.card.graphs
    ]


def _example(package: ModelPackage, graph: str, golden: Golden) -> Check:
    from emotrace.audio import load
    from emotrace.models.loading import load_encoder

    signal = load(package.folder / EXAMPLE_FILE)
    [encoding] = load_encoder(package, precision=graph, device="cpu").encode([signal.samples])
    weights = np.exp(encoding.logits - encoding.logits.max())
    found = dict(zip(LABELS, map(float, weights / weights.sum()), strict=True))
    figures = package.card.int8
    bound = GOLDEN_TOLERANCE + (figures.largest_change if graph == "int8" and figures else 0.0)
    heard, published = _likeliest(found), _likeliest(golden.scores)
    off = difference(found, golden)
    detail = (
        f"{heard} {found[heard]:.4f}; published: {published} {golden.scores[published]:.4f}; largest "
        f"difference {off:.4f} (bound {bound:g}; {golden.source})"
    )
    return Check("example", graph, heard == published and off <= bound, detail)


def _likeliest(scores: Mapping[str, float]) -> str:
    return max(scores, key=lambda label: scores[label])
