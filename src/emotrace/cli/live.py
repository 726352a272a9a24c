"""``emotrace live``: emotion while somebody speaks, from a microphone or from samples on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from emotrace.cli.messages import tell
from emotrace.cli.options import Model, PresetName

if TYPE_CHECKING:
    from emotrace.pipeline import PipelineOptions
    from emotrace.results import Recognition, StreamEvent

EXAMPLES = """\b
Examples:
  emotrace live
  ffmpeg -i talk.mp4 -ar 16000 -ac 1 -f s16le - | emotrace live - --rate 16000
  arecord -q -f S16_LE -r 16000 | emotrace live - --rate 16000 --json
"""

STDIN = "-"
CHUNKS_PER_SECOND = 10
_FILES = {b"RIFF": "WAV", b"OggS": "Ogg", b"fLaC": "FLAC", b"ID3": "MP3"}


def live(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[-]",
            help="- reads samples from standard input: 16 bits, signed, little-endian, nothing else; without "
            "it the microphone is heard.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[int, typer.Option(metavar="HZ", help="Sampling rate, 8000 to 48000.")] = 16000,
    channels: Annotated[int, typer.Option(metavar="N", help="Channels, interleaved; they are mixed.")] = 1,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="From one line to the next. [default: the model's own]",
            show_default=False,
        ),
    ] = None,
    smooth: Annotated[
        Literal["none", "vote", "ewma", "median", "hmm-online"],
        typer.Option(metavar="none|vote|ewma|median|hmm-online", help="How the emotion shown is smoothed."),
    ] = "hmm-online",
    preset: PresetName = "default",
    model: Model = "auto",
    microphone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of a microphone's name, or its number.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each event.")] = False,
) -> None:
    """Say how somebody sounds while speaking.

    A line every half second is provisional; when the speech pauses, the line of the whole stretch is final,
    and at the end comes the result of all. The microphone needs the extra 'live'; Ctrl-C ends it.
    """
    from emotrace.pipeline import stream
    from emotrace.recognition import Recognizer

    chunks = _chunks(source, rate, channels, microphone)
    options = _options(smooth, preset)
    live = stream(Recognizer(model), rate, options, hop=hop, channels=channels, name=_name(source))
    printer = _JsonLines() if json else _Lines()
    try:
        for chunk in chunks:
            printer.show(live.push(_samples(chunk, channels)))
    except KeyboardInterrupt:
        tell("stopped; this is the result so far")
    printer.show(live.finish())


def _options(smooth: str, preset: str) -> PipelineOptions:
    from emotrace.pipeline import PipelineOptions
    from emotrace.postprocess.presets import find_preset

    smoothing = None if smooth == "none" else {"method": smooth}
    return PipelineOptions.of(smoothing=smoothing, rules=find_preset(preset).rules)


def _name(source: str | None) -> str:
    return "<microphone>" if source is None else "<stdin>"


# -- sound --------------------------------------------------------------------------------------------


def _chunks(source: str | None, rate: int, channels: int, microphone: str | None) -> Iterator[bytes]:
    """Samples of about a tenth of a second each.

    Raises:
        OptionError: an option is out of range, or has no effect.
        MissingExtraError: there is no way to a microphone.
    """
    from emotrace.errors import OptionError

    if not 8000 <= rate <= 48000:
        raise OptionError(f"--rate is {rate}; expected 8000 to 48000")
    if not 1 <= channels <= 16:
        raise OptionError(f"--channels is {channels}; expected 1 to 16")
    if source is None:
        from emotrace.cli.microphone import heard

        return heard(microphone, rate, channels, rate // CHUNKS_PER_SECOND)
    if source != STDIN:
        raise OptionError(
            f"{source!r} came; expected - for samples on standard input, or nothing for the microphone: a "
            "file goes to `emotrace analyze`"
        )
    if microphone is not None:
        raise OptionError("--microphone has no effect on standard input; leave one of them out")
    return _read(2 * channels, rate // CHUNKS_PER_SECOND)


def _read(size: int, count: int) -> Iterator[bytes]:
    """Standard input in whole samples.

    Raises:
        AudioError: it is closed, a terminal, or a file with a header.
    """
    from emotrace.errors import AudioError

    if sys.stdin is None:
        raise AudioError("standard input is closed; expected samples on it")
    if sys.stdin.isatty():
        raise AudioError("standard input is a terminal; pipe samples into it, as in the examples of --help")
    file: Any = sys.stdin.buffer
    rest = b""
    begun = False
    while block := file.read1(size * count):
        block = rest + block
        whole = len(block) // size * size
        rest = block[whole:]
        if not begun and len(block) >= 4:
            begun = True
            kind = next((name for mark, name in _FILES.items() if block.startswith(mark)), None)
            if kind is not None:
                raise AudioError(
                    f"a {kind} file came; expected bare samples of 16 bits: use `emotrace analyze -`, or let "
                    "`ffmpeg -i FILE -f s16le -` take it apart"
                )
        if whole:
            yield block[:whole]
    if rest:
        tell(f"the last {len(rest)} bytes are no whole sample, so they are left out")


def _samples(chunk: bytes, channels: int) -> Any:
    import numpy as np

    return np.frombuffer(chunk, "<i2").reshape(-1, channels)


# -- lines --------------------------------------------------------------------------------------------


class _JsonLines:
    def __init__(self) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")

    def show(self, events: list[StreamEvent]) -> None:
        from emotrace.outputs import write_json
        from emotrace.outputs.events import event_record

        for event in events:
            write_json(sys.stdout, event_record(event))
            sys.stdout.flush()


class _Lines:
    """A line for each event, for people."""

    def show(self, events: list[StreamEvent]) -> None:
        for event in events:
            line = _line(event)
            if line:
                typer.echo(line)


def _line(event: StreamEvent) -> str | None:
    from emotrace.labels import LABELS
    from emotrace.results import EmotionReading, SpeechEnded, StreamEnded

    match event:
        case EmotionReading():
            row = event.probabilities if event.smoothed is None else event.smoothed
            best = int(row.argmax())
            return f"{event.time:8.1f} s         {LABELS[best]:<10} {row[best]:5.0%}"
        case SpeechEnded():
            said = _said(event.recognition)
            return f"{event.start:8.1f} to {event.end:.1f} s  {said}"
        case StreamEnded():
            return f"{event.recognition.duration:8.1f} s in all  {_said(event.recognition)}"
    return None


def _said(result: Recognition) -> str:
    flagged = ""
    if result.verdict is not None and result.verdict.decision != "keep":
        flagged = f"  {result.verdict.decision}: {', '.join(result.verdict.codes)}"
    return f"{result.emotion:<10} {result.confidence:5.0%}{flagged}"
