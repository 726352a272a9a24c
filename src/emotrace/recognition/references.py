"""Speaker references: the running mean of a speaker's spectra."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from emotrace.audio import Source, name_of, stream
from emotrace.audio.sources import quoted
from emotrace.errors import InputError, ModelError, OptionError
from emotrace.models.encoder import Encoder, check_length, fewest_samples
from emotrace.recognition.checks import check_loudness, is_silent, silence_error
from emotrace.recognition.options import RecognitionOptions
from emotrace.results import Array, SpeakerReference

PIECE_SECONDS = 30.0


class RunningReference:
    """Mean spectrum of what was heard so far, weighted by active time.

    Args:
        size: width of a spectrum.
        model: name of the model.
        enough: seconds of active speech under which there is no reference yet.

    >>> running = RunningReference(2, "compact")
    >>> running.add(np.array([1, 2], np.float32), 1.5)
    >>> running.get() is None
    True
    >>> running.add(np.array([4, 5], np.float32), 3.0)
    >>> running.get().spectrum
    array([3., 4.], dtype=float32)
    """

    def __init__(self, size: int, model: str, enough: float = 2.0) -> None:
        self._sum = np.zeros(size, np.float64)
        self._model = model
        self._enough = enough
        self.seconds = 0.0

    def add(self, spectrum: Array, seconds: float) -> None:
        """Take one more stretch in.

        Args:
            spectrum: float32 (size,).
            seconds: active speech that it is the mean of.
        """
        self._sum += spectrum.astype(np.float64) * seconds
        self.seconds += seconds

    def get(self) -> SpeakerReference | None:
        """The reference, or None while there was too little speech."""
        if self.seconds <= 0 or self.seconds < self._enough:
            return None
        return SpeakerReference((self._sum / self.seconds).astype(np.float32), self.seconds, self._model)


def check_list(sources: object) -> None:
    """Refuse one recording where several are expected.

    Raises:
        OptionError: it is a path or bytes, which would be taken apart.
    """
    if isinstance(sources, str | bytes | os.PathLike):
        raise OptionError(f"one recording came ({quoted(name_of(sources))}); expected a list of them: [...]")


def check_reference(encoder: Encoder, reference: object) -> None:
    """Refuse a speaker reference that does not fit a model.

    Raises:
        ModelError: it was made with another model, or has another width.
        OptionError: it is something else, such as a clip of the speaker.
    """
    if reference is None:
        return
    if not isinstance(reference, SpeakerReference):
        raise OptionError(
            f"reference is of type {type(reference).__name__}; expected what Recognizer.reference() gives"
        )
    card = encoder.card
    if reference.model != card.name or np.shape(reference.spectrum) != (card.reference_size,):
        raise ModelError(
            f"the speaker reference was made with the model {reference.model!r} and has the shape "
            f"{np.shape(reference.spectrum)}; expected one made with {card.name!r}, "
            f"({card.reference_size},): make it again with this recognizer"
        )


def add_clip(encoder: Encoder, running: RunningReference, clip: Source, options: RecognitionOptions) -> None:
    """Take one recording into a reference, piece by piece, so that a long one needs no more memory.

    Raises:
        InputError: it cannot be read, is too short or is silent.
    """
    label, fewest = quoted(name_of(clip)), fewest_samples(encoder.card)
    heard, silent = 0.0, None
    pieces = stream(clip, channel=options.channel, limits=options.limits, block_seconds=PIECE_SECONDS)
    for i, piece in enumerate(pieces):
        check_loudness(piece, label)
        if i == 0:
            check_length(len(piece), encoder.card, label)
        if len(piece) < fewest:
            continue  # the end of a long recording
        if is_silent(piece):
            silent = piece
            continue
        [encoding] = encoder.encode([piece])
        running.add(encoding.spectrum, encoding.active_seconds)
        heard += encoding.active_seconds
    if heard == 0 and silent is not None:
        raise silence_error(silent, label)


def mean_reference(
    encoder: Encoder, clips: Iterable[Source], options: RecognitionOptions
) -> SpeakerReference:
    """The reference over whole clips; see :meth:`emotrace.Recognizer.reference`.

    Raises:
        InputError: there is no clip, or one cannot be used.
    """
    running = RunningReference(encoder.card.reference_size, encoder.card.name, enough=0.0)
    for clip in clips:
        add_clip(encoder, running, clip, options)
    reference = running.get()
    if reference is None:
        raise InputError("no clip was given; expected at least one recording of the speaker")
    return reference
