"""The Recognizer: any source in, one Recognition out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

from emotrace.audio import Source, name_of
from emotrace.errors import EmotraceError, ModelError, OptionError
from emotrace.models import registry
from emotrace.models.encoder import Encoder
from emotrace.models.package import ModelCard
from emotrace.models.runtime import OnnxEncoder
from emotrace.recognition.options import RecognitionOptions
from emotrace.recognition.reading import Reading
from emotrace.recognition.references import (
    RunningReference,
    check_list,
    check_reference,
    mean_reference,
)
from emotrace.results import Failure, ModelInfo, Recognition, SpeakerReference

Progress = Callable[[str, float, float], None]
"""``on_progress(step, done, total)``; total is 0 where it is not known."""


class Recognizer:
    """Recognises the emotion of speech; load once, use many times, from any thread.

    Args:
        model: a name (``emotrace models list``), a package folder, or ``"auto"``: the best one that is
            installed.
        precision: ``"auto"`` (fp32), ``"fp32"`` or ``"int8"``.
        device: ``"auto"`` (the CPU), ``"cpu"`` or ``"cuda"``.
        threads: for one inference; 0 is every core.
        encoder: a loaded model to be used instead; the arguments above are then ignored.

    Raises:
        ModelNotFoundError: there is no such model.
        ModelError: its package is broken.
        DeviceError: the device or precision is not there.

    >>> import numpy as np
    >>> recognizer = Recognizer()
    >>> t = np.arange(32000) / 16000
    >>> result = recognizer.recognize((np.sin(2 * np.pi * 440 * t).astype(np.float32), 16000))
    >>> len(result.scores), round(sum(result.scores.values()), 6)
    (9, 1.0)
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        precision: str = "auto",
        device: str = "auto",
        threads: int = 0,
        encoder: Encoder | None = None,
    ) -> None:
        self.encoder: Encoder = encoder or OnnxEncoder(
            registry.find(model), precision=precision, device=device, threads=threads
        )

    @property
    def card(self) -> ModelCard:
        """What the model is."""
        return self.encoder.card

    @property
    def info(self) -> ModelInfo:
        """Which graph runs, and where."""
        return self.encoder.info

    def recognize(
        self,
        source: Source,
        *,
        reference: SpeakerReference | None = None,
        on_progress: Progress | None = None,
        **options: Any,
    ) -> Recognition:
        """Recognise one recording.

        Up to 30 s it is one utterance and recognised whole. A longer one is cut at pauses into
        stretches of at most 15 s; silence is not scored; the result has ``segments`` and ``shares``, and
        its scores are the mean over the speech time.

        Args:
            source: path, bytes, binary file object, ``(samples, sampling_rate)`` or Signal.
            reference: how this speaker usually sounds, from :meth:`reference`.
            on_progress: called as ``on_progress("recognise", seconds done, seconds in all)``; the latter
                is what the header promises, 0 if it does not.
            **options: fields of :class:`~emotrace.recognition.RecognitionOptions`: ``frames``, ``hop``,
                ``frame_embeddings``, ``segments``, ``whole_seconds``, ``channel``, ``self_reference``,
                ``limits``.

        Raises:
            AudioError: the source is not audio that can be read.
            NoSpeechError: it is silent, or cut at pauses and holds no speech.
            InputError: it is too short for the model, or far out of range.
            ModelError: the reference was made with another model.
            OptionError: an option is out of range.

        >>> from emotrace.models.encoder import FakeEncoder
        >>> import numpy as np
        >>> tone = np.sin(np.arange(16000, dtype=np.float32))
        >>> result = Recognizer(encoder=FakeEncoder()).recognize((tone, 16000), frames=True, hop=0.2)
        >>> result.emotion, result.track.times.round(1).tolist()
        ('sad', [0.0, 0.20000000298023224, 0.4000000059604645, 0.6000000238418579, 0.800000011920929])
        """
        return self._recognize(source, RecognitionOptions.of(**options), reference, "given", on_progress)

    def _recognize(
        self,
        source: Source,
        options: RecognitionOptions,
        reference: SpeakerReference | None,
        origin: str,
        on_progress: Progress | None = None,
    ) -> Recognition:
        check_reference(self.encoder, reference)
        return Reading(self.encoder, source, options, reference, origin, on_progress).run()

    def recognize_many(
        self,
        sources: Iterable[Source],
        *,
        reference: SpeakerReference | None = None,
        one_speaker: bool = False,
        on_progress: Progress | None = None,
        **options: Any,
    ) -> Iterator[Recognition | Failure]:
        """Recognise many recordings, in order; each gives a result or a Failure with its reason.

        Nothing is read before its result is asked for. Options and reference are checked at once.

        Args:
            sources: see :meth:`recognize`; with ``one_speaker`` they are listed at once.
            reference: for all of them.
            one_speaker: they are all of one speaker: each is compared with the mean of all (the sources
                are then read twice, so file objects are refused).
            on_progress: called as ``on_progress("recognise", recordings done, total)``.
            **options: see :meth:`recognize`.

        Raises:
            ModelError: the reference was made with another model.
            OptionError: an option is out of range, or a single recording came instead of several.

        >>> from emotrace.models.encoder import FakeEncoder
        >>> import numpy as np
        >>> tone = np.sin(np.arange(16000, dtype=np.float32))
        >>> results = Recognizer(encoder=FakeEncoder()).recognize_many([(tone, 16000), "missing.wav"])
        >>> [type(result).__name__ for result in results]
        ['Recognition', 'Failure']
        """
        checked = RecognitionOptions.of(**options)
        check_list(sources)
        check_reference(self.encoder, reference)
        if one_speaker:
            sources = list(sources)
            if any(hasattr(s, "read") for s in sources):
                raise OptionError("one_speaker reads each source twice; expected no file objects: pass bytes")
        gather = one_speaker and reference is None and self.card.speaker_reference
        return self._many(sources, checked, reference, gather, on_progress)

    def _many(
        self,
        sources: Iterable[Source],
        checked: RecognitionOptions,
        reference: SpeakerReference | None,
        gather: bool,
        on_progress: Progress | None,
    ) -> Iterator[Recognition | Failure]:
        origin = "given"
        failures: dict[int, Failure] = {}
        if gather:
            sources = list(sources)
            reference, failures = self._gather(sources, checked)
            origin = "batch"
        total = float(len(sources)) if isinstance(sources, Sized) else 0.0
        for i, source in enumerate(sources):
            if i in failures:
                yield failures[i]
            else:
                try:
                    yield self._recognize(source, checked, reference, origin)
                except EmotraceError as error:
                    yield Failure(name_of(source), error.code, str(error))
            if on_progress:
                on_progress("recognise", i + 1.0, total)

    def reference(self, clips: Iterable[Source], **options: Any) -> SpeakerReference:
        """How one speaker usually sounds, from clips of any emotion; three are enough, ten are better.

        Args:
            clips: sources of one speaker's speech.
            **options: ``channel`` and ``limits`` of :meth:`recognize`.

        Raises:
            InputError: no clip, or a clip that cannot be read, is too short or silent.
            ModelError: the model uses no reference.
            OptionError: a single clip came instead of a list of clips.

        >>> import numpy as np
        >>> speech = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
        >>> recognizer = Recognizer()
        >>> reference = recognizer.reference([(clip, 16000) for clip in speech])
        >>> reference.spectrum.shape == (recognizer.card.reference_size,)
        True
        """
        check_list(clips)
        if not self.card.speaker_reference:
            raise ModelError(f"the model {self.card.name!r} uses no speaker reference; leave it out")
        checked = RecognitionOptions.of(**options)
        return mean_reference(self.encoder, clips, checked)

    def _gather(
        self, sources: list[Source], options: RecognitionOptions
    ) -> tuple[SpeakerReference | None, dict[int, Failure]]:
        """The reference of all sources that can be read, and the failures of the others."""
        running = RunningReference(self.card.reference_size, self.card.name, enough=0.0)
        failures: dict[int, Failure] = {}
        for i, source in enumerate(sources):
            one = self._reference_of(source, options)
            if isinstance(one, Failure):
                failures[i] = one
            else:
                running.add(one.spectrum, one.seconds)
        return running.get(), failures

    def _reference_of(self, source: Source, options: RecognitionOptions) -> SpeakerReference | Failure:
        try:
            return mean_reference(self.encoder, [source], options)
        except EmotraceError as error:
            return Failure(name_of(source), error.code, str(error))
