"""The example clip that comes with a published checkpoint, and what its publishers heard in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from emotrace.models.catalogue import CATALOGUE, EXAMPLE, Golden
from emotrace.models.package import ModelCard

EXAMPLE_FILE = "example.wav"
"""Its name in a package."""

MAX_BYTES = 20_000_000

GOLDEN_TOLERANCE = 0.01
"""Of a probability: the published figures come from a GPU, whose convolutions round to fewer digits."""


def keep_example(checkpoint: Path, folder: Path) -> None:
    """Copy the clip into a package that is being made, if the checkpoint has one.

    Args:
        checkpoint: its folder, or the file of its weights.
        folder: of the package.

    Raises:
        OSError: it cannot be read or written.
    """
    clip = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / EXAMPLE
    if clip.is_file() and clip.stat().st_size <= MAX_BYTES:
        shutil.copyfile(clip, folder / EXAMPLE_FILE)


def golden_of(card: ModelCard) -> Golden | None:
    """What was published for the checkpoint that a model was made from.

    >>> from emotrace.models import registry
    >>> golden_of(registry.find("compact").card) is None
    True
    """
    origin = card.provenance.origin.rpartition("/")[2] if card.provenance else ""
    row = CATALOGUE.get(origin) or CATALOGUE.get(card.name)
    return row.golden if row else None


def difference(found: Mapping[str, float], golden: Golden) -> float:
    """Largest difference from a published probability.

    Args:
        found: probability of each label.
        golden: what was published.

    >>> golden = Golden({"sad": 0.87, "happy": 0.12}, "https://example.org")
    >>> round(difference({"sad": 0.86, "happy": 0.125, "angry": 0.015}, golden), 6)
    0.01
    """
    return max(abs(found[label] - score) for label, score in golden.scores.items())
