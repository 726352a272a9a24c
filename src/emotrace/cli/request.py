"""What is asked of ``emotrace analyze``, as one record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emotrace.cli.inputs import STDIN, SUFFIXES
from emotrace.cli.texts import Language
from emotrace.errors import OptionError

if TYPE_CHECKING:
    from emotrace.recognition import RecognitionOptions

STDOUT = Path("-")


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``emotrace analyze``; see its help for each."""

    inputs: tuple[str, ...]
    granularity: Literal["utterance", "frame", "segment"] = "utterance"
    hop: float | None = None
    json: bool = False
    embedding: bool = False
    out: Path | None = None
    csv: Path | None = None
    plot: Path | None = None
    model: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    channel: int | None = None
    references: tuple[str, ...] = ()
    one_speaker: bool = False
    whole_seconds: float = 30.0
    max_seconds: float = 86400.0
    language: Language = Language.en

    def check(self) -> None:
        """Refuse options that contradict each other or would have no effect.

        Raises:
            OptionError: they do.
        """
        rules = (
            (
                self.json and self.csv == STDOUT,
                "--json and --csv - both write to standard output; give --csv a file",
            ),
            (
                self.embedding and not (self.json or self.out),
                "--embedding has no effect alone; add --json or --out",
            ),
            (
                self.hop is not None and self.granularity != "frame" and not self.plot,
                "--hop has no effect without --granularity frame or --plot",
            ),
            (
                self.one_speaker and bool(self.references),
                "--one-speaker and --reference contradict each other; give one of them",
            ),
            (
                self.one_speaker and STDIN in self.inputs,
                "--one-speaker reads each input twice; standard input ('-') is gone then; save it to a file",
            ),
            (
                self.csv is not None and self.csv.suffix.lower() in SUFFIXES,
                f"--csv {str(self.csv)!r} would replace a recording; expected a name such as results.csv",
            ),
        )
        for broken, sentence in rules:
            if broken:
                raise OptionError(sentence)

    def options(self) -> RecognitionOptions:
        """The options of the library.

        Raises:
            OptionError: a value is out of range.
        """
        from emotrace.audio import Limits
        from emotrace.recognition import RecognitionOptions

        hop = {} if self.hop is None else {"hop": self.hop}
        return RecognitionOptions.of(
            frames=self.granularity == "frame" or self.plot is not None,
            frame_embeddings=self.embedding and self.out is not None and self.granularity == "frame",
            segments=self.granularity == "segment",
            whole_seconds=self.whole_seconds,
            channel=self.channel,
            limits=Limits(max_seconds=self.max_seconds),
            **hop,
        )
