"""One source, from its first block to its result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from emotrace.audio import Source, decoder_of, name_of
from emotrace.models.encoder import Encoder
from emotrace.recognition.listening import Listener
from emotrace.recognition.measuring import Measuring
from emotrace.recognition.options import RecognitionOptions
from emotrace.results import Embedding, Recognition, SignalMeasures, SignalQuality, SpeakerReference
from emotrace.timing import samples_to_seconds


class Reading:
    """Reads one source block by block and recognises it; used once.

    Args:
        encoder: the model.
        source: see :meth:`emotrace.Recognizer.recognize`.
        options: see there.
        reference: given from outside, or None.
        origin: where the given reference came from.
        on_progress: see there.
    """

    def __init__(
        self,
        encoder: Encoder,
        source: Source,
        options: RecognitionOptions,
        reference: SpeakerReference | None,
        origin: str,
        on_progress: Callable[[str, float, float], None] | None,
    ) -> None:
        self._source, self._options, self._on_progress = source, options, on_progress
        self._listener = Listener(encoder, options, reference, origin, name_of(source))

    def recognise(self) -> Recognition:
        """Read to the end and say which emotion it is."""
        return self._listener.result(*self._read())

    def embed(self) -> Embedding:
        """Read to the end and give the embedding alone, which every model has."""
        measures, _, _ = self._read()
        return self._listener.embedded(measures)

    def _read(self) -> tuple[SignalMeasures, SignalQuality | None, str | None]:
        """Decode and recognise to the end; measures, signal checks and the decoder's warning."""
        length = 0
        with (
            Measuring(self._options.quality) as measuring,
            decoder_of(self._source, channel=self._options.channel, limits=self._options.limits) as blocks,
        ):
            total = blocks.description.duration or 0.0
            for block in blocks:
                measuring.push(block)
                _exhaust(self._listener.feed(block))
                length += len(block)
                if self._on_progress:
                    self._on_progress("recognise", samples_to_seconds(length), total)
            _exhaust(self._listener.finish())
            return *measuring.result(blocks.clipping_share), blocks.warning


_exhaust = deque[object](maxlen=0).extend
