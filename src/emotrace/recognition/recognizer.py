"""The Recognizer: any source in, one Recognition out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import cache, partial
from typing import Any

from emotrace.audio import Source, name_of
from emotrace.errors import EmotraceError, ModelError, OptionError
from emotrace.models import registry
from emotrace.models.encoder import Encoder
from emotrace.models.loading import load_encoder
from emotrace.models.package import ModelCard
from emotrace.recognition.checks import check_head, check_pieces
from emotrace.recognition.options import RecognitionOptions
from emotrace.recognition.parallel import Gathering, GivenUp, in_order
from emotrace.recognition.reading import Reading
from emotrace.recognition.references import (
    RunningReference,
    check_list,
    check_reference,
    mean_reference,
)
from emotrace.results import Embedding, Failure, ModelInfo, Recognition, SpeakerReference

Progress = Callable[[str, float, float], None]
"""``on_progress(step, done, total)``; total is 0 where it is not known."""

CUDA_WORKERS = 16
"""Recordings that are decoded at the same time for a GPU."""


class Recognizer:
    """Recognises the emotion of speech; load once, use many times, from any thread.

    Args:
        model: a name (``emotrace models list``), a package folder, or ``"auto"``: the best one that is
            installed.
        precision: ``"auto"``, ``"fp32"``, ``"int8"`` or ``"bf16"``; the rules of ``auto`` are in
            :mod:`emotrace.models.selection`, what they chose in :attr:`info` and in each result.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: for one inference; 0 is every core.
        runtime: ``"auto"``, ``"onnxruntime"`` or ``"torch"``.
        encoder: a loaded model to be used instead; the arguments above are then ignored.

    Raises:
        ModelNotFoundError: there is no such model.
        ModelError: its package is broken.
        DeviceError: the device or precision is not there.
        MissingExtraError: the runtime is not installed.

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
        runtime: str = "auto",
        encoder: Encoder | None = None,
    ) -> None:
        self._one_thread: Callable[[], Encoder] | None = None
        self._again = partial(
            type(self),
            model,
            precision=precision,
            device=device,
            threads=threads,
            runtime=runtime,
            encoder=encoder,
        )
        if encoder is None:
            load = partial(
                load_encoder, registry.find(model), precision=precision, device=device, runtime=runtime
            )
            encoder = load(threads=threads)
            if threads == 0:
                self._one_thread = cache(partial(load, threads=1))
        self.encoder: Encoder = encoder

    def __repr__(self) -> str:
        return f"<Recognizer {self.info.name}, {self.info.precision} on {self.info.device}>"

    def __reduce__(self) -> tuple[Callable[[], Recognizer], tuple[()]]:
        return self._again, ()  # another process loads the model again

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
                ``track_method``, ``frame_embeddings``, ``segments``, ``whole_seconds``, ``channel``,
                ``self_reference``, ``quality``, ``limits``.

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
        checked = self._checked(options)
        check_reference(self.encoder, reference)
        return Reading(self.encoder, source, checked, reference, "given", on_progress).recognise()

    def _checked(self, options: dict[str, Any]) -> RecognitionOptions:
        checked = RecognitionOptions.of(**options)
        check_head(self.card)
        check_pieces(self.card, checked)
        return checked

    def embed(self, source: Source, *, on_progress: Progress | None = None, **options: Any) -> Embedding:
        """The embedding of one recording, without its emotion; models without an emotion head give it, too.

        Args:
            source: see :meth:`recognize`.
            on_progress: see there.
            **options: ``frame_embeddings``, ``segments``, ``whole_seconds``, ``channel`` and ``limits`` of
                :meth:`recognize`.

        Raises:
            AudioError: the source is not audio that can be read.
            NoSpeechError: it is silent, or cut at pauses and holds no speech.
            InputError: it is too short for the model, or far out of range.
            OptionError: an option is out of range.

        >>> from emotrace.models.encoder import FakeEncoder
        >>> import numpy as np
        >>> tone = np.sin(np.arange(16000, dtype=np.float32))
        >>> Recognizer(encoder=FakeEncoder()).embed((tone, 16000)).embedding.shape
        (2,)
        """
        checked = RecognitionOptions.of(**options)
        if checked.frames:
            raise OptionError("option frames is True; embed gives no emotion over time: use recognize")
        check_pieces(self.card, checked)
        return Reading(self.encoder, source, checked, None, "none", on_progress).embed()

    def recognize_many(
        self,
        sources: Iterable[Source],
        *,
        reference: SpeakerReference | None = None,
        one_speaker: bool = False,
        workers: int = 0,
        on_progress: Progress | None = None,
        on_bug: Callable[[Source, Exception], Failure] | None = None,
        **options: Any,
    ) -> Iterator[Recognition | Failure]:
        """Recognise many recordings, in order; each gives a result or a Failure with its reason.

        Nothing is read before its result is asked for; with several workers, up to twice as many recordings
        are read ahead then. Options and reference are checked at once.

        Args:
            sources: see :meth:`recognize`; with ``one_speaker`` they are listed at once.
            reference: for all of them.
            one_speaker: they are all of one speaker: each is compared with the mean of all (the sources
                are then read twice, so file objects are refused).
            workers: recordings at the same time; 0 is the rule: for an emotion2vec model whose ``threads``
                are 0, one on each core, with one thread (a second session is loaded for that); 16 on CUDA,
                where what they ask for at the same time shares a batch; else one after another.
            on_progress: called as ``on_progress("recognise", recordings done, total)``.
            on_bug: makes a Failure of an error that is none of emotrace's; without it, such an error is
                raised and ends all.
            **options: see :meth:`recognize`; ``frame_embeddings`` only if it is True.

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
        checked = self._checked({"frame_embeddings": False, **options})
        check_list(sources)
        if workers < 0:
            raise OptionError(f"workers is {workers}; expected 0 (the rule) or more")
        check_reference(self.encoder, reference)
        if one_speaker:
            sources = list(sources)
            if any(hasattr(s, "read") for s in sources):
                raise OptionError("one_speaker reads each source twice; expected no file objects: pass bytes")
        gather = one_speaker and reference is None and self.card.speaker_reference
        return self._many(sources, checked, reference, gather, workers, on_progress, on_bug)

    def _many(
        self,
        sources: Iterable[Source],
        checked: RecognitionOptions,
        reference: SpeakerReference | None,
        gather: bool,
        workers: int,
        on_progress: Progress | None,
        on_bug: Callable[[Source, Exception], Failure] | None,
    ) -> Iterator[Recognition | Failure]:
        origin = "given"
        failures: dict[int, Failure] = {}
        if gather:
            sources = list(sources)
            reference, failures = self._gather(sources, checked)
            origin = "batch"
        total = float(len(sources)) if isinstance(sources, Sized) else 0.0
        encoder, workers = self._team(workers)
        given_up = threading.Event()

        def go_on(*progress: object) -> None:
            if given_up.is_set():
                raise GivenUp

        def work(numbered: tuple[int, Source]) -> Recognition | Failure:
            i, source = numbered
            if i in failures:
                return failures[i]
            try:
                return Reading(encoder, source, checked, reference, origin, go_on).recognise()
            except EmotraceError as error:
                return Failure(name_of(source), error.code, str(error))
            except Exception as error:
                if on_bug is None:
                    raise
                return on_bug(source, error)

        for i, result in enumerate(in_order(work, enumerate(sources), workers, given_up)):
            yield result
            if on_progress:
                on_progress("recognise", i + 1.0, total)

    @property
    def workers(self) -> int:
        """How many recordings :meth:`recognize_many` recognises at the same time."""
        return self._team(0)[1]

    def _team(self, workers: int) -> tuple[Encoder, int]:
        """The encoder for many recordings, and how many are recognised at the same time."""
        if workers or self._one_thread is None or self.card.network is None:
            return self.encoder, workers or 1
        info = self.info
        if info.device == "cuda":
            return Gathering(self.encoder), CUDA_WORKERS
        if not info.runtime.startswith("onnxruntime") or info.threads == 1:
            return self.encoder, 1
        return self._one_thread(), info.threads

    def reference(self, clips: Iterable[Source], **options: Any) -> SpeakerReference:
        """How one speaker usually sounds, from clips of any emotion; ten are better than three.

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
        checked = self._checked(options)
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
