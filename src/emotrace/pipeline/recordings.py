"""From recordings to judged results: recognition, checks, smoothing, segments, verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from emotrace.audio import Source
from emotrace.errors import EmotraceError
from emotrace.pipeline.judging import judged
from emotrace.pipeline.options import PipelineOptions
from emotrace.recognition import RecognitionOptions, Recognizer
from emotrace.recognition.recognizer import Progress
from emotrace.results import Failure, Recognition, SpeakerReference


def analyse(
    recognizer: Recognizer,
    source: Source,
    options: PipelineOptions | None = None,
    *,
    reference: SpeakerReference | None = None,
    on_progress: Progress | None = None,
) -> Recognition:
    """Recognise one recording and judge the result.

    Args:
        recognizer: the model.
        source: see :meth:`emotrace.Recognizer.recognize`.
        options: None is ``PipelineOptions()``.
        reference: see :meth:`emotrace.Recognizer.recognize`.
        on_progress: see there.

    Returns:
        What :func:`judged` makes of the recognition.

    Raises:
        EmotraceError: see :meth:`emotrace.Recognizer.recognize`.

    >>> import numpy as np
    >>> from emotrace.models.encoder import FakeEncoder
    >>> tone = (np.sin(np.arange(16000, dtype=np.float32)), 16000)
    >>> result = analyse(Recognizer(encoder=FakeEncoder()), tone)
    >>> result.quality.speech_share, "not-speech" in result.verdict.codes or "music" in result.verdict.codes
    (0.0, True)
    """
    options = options or PipelineOptions()
    given = _fields(options.reading)
    result = recognizer.recognize(source, reference=reference, on_progress=on_progress, **given)
    return judged(result, options)


def analyse_many(
    recognizer: Recognizer,
    sources: Iterable[Source],
    options: PipelineOptions | None = None,
    *,
    reference: SpeakerReference | None = None,
    one_speaker: bool = False,
    workers: int = 0,
    on_progress: Progress | None = None,
    on_bug: Callable[[Source, Exception], Failure] | None = None,
) -> Iterator[Recognition | Failure]:
    """Recognise many recordings, in order, and judge the results; a Failure stops none of the others.

    Args:
        recognizer: the model.
        sources: see :meth:`emotrace.Recognizer.recognize_many`; so are the others.
        options: None is ``PipelineOptions()``.
        reference: for all of them.
        one_speaker: they are all of one speaker.
        workers: recordings at the same time; 0 is the rule there.
        on_progress: called as ``on_progress("recognise", recordings done, total)``.
        on_bug: what an unexpected exception becomes; None raises it.

    Raises:
        OptionError: see there.

    >>> import numpy as np
    >>> from emotrace.models.encoder import FakeEncoder
    >>> tone = (np.sin(np.arange(16000, dtype=np.float32)), 16000)
    >>> found = analyse_many(Recognizer(encoder=FakeEncoder()), [tone, "missing.wav"])
    >>> [type(result).__name__ for result in found]
    ['Recognition', 'Failure']
    """
    options = options or PipelineOptions()
    results = recognizer.recognize_many(
        sources,
        reference=reference,
        one_speaker=one_speaker,
        workers=workers,
        on_progress=on_progress,
        on_bug=on_bug,
        **_fields(options.reading),
    )
    return (_judged_or_failed(result, options, on_bug) for result in results)


def _judged_or_failed(
    result: Recognition | Failure,
    options: PipelineOptions,
    on_bug: Callable[[Source, Exception], Failure] | None,
) -> Recognition | Failure:
    if isinstance(result, Failure):
        return result
    try:
        return judged(result, options)
    except EmotraceError as error:
        return Failure(result.source, error.code, str(error))
    except Exception as error:
        if on_bug is None:
            raise
        return on_bug(result.source, error)


def _fields(options: RecognitionOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in type(options).model_fields}
