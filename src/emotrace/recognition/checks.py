"""What is refused before a model sees it: too short, silent, far out of range; what a model cannot do."""

from __future__ import annotations

import numpy as np

from emotrace.audio.measures import FRAME_SECONDS
from emotrace.errors import InputError, ModelError, NoSpeechError, OptionError
from emotrace.models.card import ModelCard
from emotrace.recognition.options import RecognitionOptions
from emotrace.results import Array
from emotrace.timing import samples_to_seconds, seconds_to_samples

SILENT_DB = -80.0
"""Level under which there is nothing to hear. A model does not mind the level, so this lies well under
the quietest speech (of RAVDESS, made 20 dB quieter, the loudest frame of a clip is still at -63 dB) and
over the dither of 16 bits (-90 dB)."""

LOUDEST = 1e6
"""Samples beyond this are no sound in any scale; their squares would leave float32's range."""

EDGE_FRAMES = 2
"""Frames at either end that resampling or a codec fills with the step from nothing to an offset."""


def is_silent(samples: Array) -> bool:
    """Whether there is nothing to hear: no 20 ms frame reaches -80 dB once its offset is removed.

    A constant is silent, whatever its value. Two frames at either end do not count (if there are others):
    there, a filter turns the jump from nothing to an offset into a click.

    Args:
        samples: float32 (n,), 16 kHz.

    >>> is_silent(np.full(16000, 0.5, np.float32)), is_silent(np.sin(np.arange(16000, dtype=np.float32)))
    (True, False)
    """
    size = min(max(1, len(samples)), seconds_to_samples(FRAME_SECONDS))
    count = len(samples) // size
    frames = samples[: count * size].reshape(count, size)
    if count > 2 * EDGE_FRAMES:
        frames = frames[EDGE_FRAMES:-EDGE_FRAMES]
    middle = len(frames) // 2  # mostly answers the question, and is quick
    return not (_sounds(frames[middle : middle + 1]) or _sounds(frames))


def _sounds(frames: Array) -> bool:
    return bool((np.std(frames, axis=1, dtype=np.float64) >= 10 ** (SILENT_DB / 20)).any())


def check_loudness(block: Array, label: str) -> None:
    """Refuse samples that are no sound in any scale.

    Raises:
        InputError: a sample is beyond :data:`LOUDEST`.
    """
    peak = float(np.abs(block).max(initial=0.0))
    if peak > LOUDEST:
        raise InputError(
            f"{label} has samples up to {peak:.3g}; expected -1 to 1: divide them by their full scale"
        )


def check_pieces(card: ModelCard, options: RecognitionOptions) -> None:
    """Refuse to have recordings recognised whole that a model does not take whole.

    Raises:
        OptionError: ``whole_seconds`` is more than the model takes.
    """
    if card.max_seconds is not None and options.whole_seconds > card.max_seconds:
        raise OptionError(
            f"option whole_seconds is {options.whole_seconds:g}; the model {card.name!r} takes at most "
            f"{card.max_seconds:g} s in one piece, because its memory grows with the square: longer "
            "recordings are cut at pauses"
        )


def check_head(card: ModelCard) -> None:
    """Refuse to ask a model for emotions that gives embeddings only.

    Raises:
        ModelError: it has no head.
    """
    if not card.has_head:
        raise ModelError(
            f"the model {card.name!r} has no emotion head, it gives embeddings only; use `emotrace embed` "
            "or Recognizer.embed, or another model (see `emotrace models list`)"
        )


def silence_error(samples: Array, label: str) -> NoSpeechError:
    """The error of a silent recording."""
    offset = float(samples.mean()) if len(samples) else 0.0
    what = f"only a constant offset of {offset:+.3f}" if abs(offset) > 1e-3 else "only silence"
    return nothing_error(samples_to_seconds(len(samples)), label, what)


def nothing_error(seconds: float, label: str, what: str = "only silence") -> NoSpeechError:
    """The same of a recording whose samples are gone."""
    return NoSpeechError(
        f"{label} holds {what} ({seconds:.2f} s under {SILENT_DB:.0f} dB); "
        "expected speech: check the microphone or the channel"
    )
