"""Everything that decides how a compact network is trained."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

CORPUS_WEIGHTS = {
    "nemo": 0.37,
    "ravdess": 0.26,
    "emodb": 0.14,
    "selvas": 0.04,
    "emospeech": 0.06,
    "emogator": 0.04,
    "non_speech": 0.08,
    "synthetic": 0.03,
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained.

    Attributes:
        passes: passes of ``draws_per_pass`` clips.
        stitched_from: share of the run, 0 to 1, after which half the batches are stitched from two
            emotions of one speaker; 1 is never.
        reference: probability that a clip is normalised by its speaker's reference.
    """

    seed: int = 0
    passes: int = 80
    draws_per_pass: int = 4800
    batch: int = 64
    learning_rate: float = 2e-3
    decay: float = 0.02
    warm_up: float = 0.06
    average: float = 0.998
    smoothing: float = 0.1
    frame_loss: float = 0.3
    mixup: float = 0.3
    reference: float = 0.7
    stitched_from: float = 0.8
    noise: float = 0.65
    snr_db: tuple[float, float] = (0.0, 30.0)
    crop: tuple[float, float] = (1.0, 3.2)
    mel_channels: tuple[int, ...] = (24, 48, 64, 64)
    pitch_channels: tuple[int, ...] = (16, 32, 32, 32)
    width: int = 192
    hidden: int = 128
    dropout: float = 0.25
    weights: dict[str, float] = field(default_factory=lambda: dict(CORPUS_WEIGHTS))


def refinements(recipe: Recipe) -> tuple[Recipe, Recipe]:
    """The second phase, twice from the same weights: half of all batches stitched, at a lower learning rate.

    Once with crops as before, for whole clips, and once with short ones, for the windows of a track.
    """
    long = replace(
        recipe,
        seed=recipe.seed + 1000,
        passes=max(1, recipe.passes // 4),
        learning_rate=recipe.learning_rate / 3,
        stitched_from=0.0,
    )
    return long, replace(long, crop=(0.8, 2.0))
