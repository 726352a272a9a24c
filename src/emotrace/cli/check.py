"""``emotrace check``: will a model understand this recording? The signal checks without the model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli import exit_codes
from emotrace.cli.groups import with_groups
from emotrace.cli.inputs import Recordings, expand
from emotrace.cli.messages import bug, failure_sentence, one_line, tell
from emotrace.cli.options import Decoding, Inputs, JsonLines, Judging, language_option
from emotrace.cli.texts import Language, language_of

if TYPE_CHECKING:
    from emotrace.audio import Limits
    from emotrace.postprocess.rules import Rules
    from emotrace.results import Failure, SignalQuality, Verdict

EXAMPLES = """\b
Examples:
  emotrace check talk.m4a
  emotrace check calls/ --preset customer-service
  emotrace check talk.wav --json
  cat talk.wav | emotrace check - --fail-on-finding && echo usable
"""

WORDS: dict[Language, dict[str, str]] = {
    Language.en: {
        "keep": "usable",
        "flag": "usable with care",
        "drop": "not usable",
        "length": "length",
        "seconds": "{0} s",
        "level": "level",
        "level of": "{0} dB, peak {1} dB",
        "clipping": "clipped",
        "offset": "DC offset",
        "bandwidth": "bandwidth",
        "snr": "speech over noise",
        "speech": "speech",
        "speech of": "{0} %, {1} s",
        "music": "music",
        "noise": "other sound",
        "content": "content",
        "content speech": "speech",
        "content music": "music",
        "content noise": "noise",
        "content silence": "silence",
        "speakers": "several speakers",
        "score": "score {0}",
        "unknown": "cannot be told",
        "silent": "digital silence",
    },
    Language.zh: {
        "keep": "可用",
        "flag": "谨慎使用",
        "drop": "不可用",
        "length": "时长",
        "seconds": "{0} 秒",
        "level": "电平",
        "level of": "{0} dB，峰值 {1} dB",
        "clipping": "削波",
        "offset": "直流偏移",
        "bandwidth": "带宽",
        "snr": "信噪比",
        "speech": "语音",
        "speech of": "{0} %，{1} 秒",
        "music": "音乐",
        "noise": "其他声音",
        "content": "内容",
        "content speech": "语音",
        "content music": "音乐",
        "content noise": "噪声",
        "content silence": "静音",
        "speakers": "多人说话",
        "score": "得分 {0}",
        "unknown": "无法判断",
        "silent": "数字静音",
    },
}
"""Every text, by language; both have the same keys."""


@with_groups
def check(
    inputs: Inputs,
    *,
    json: JsonLines = False,
    judging: Judging,
    fail_on_finding: Annotated[
        bool,
        typer.Option(
            "--fail-on-finding", help="Exit code 8 if all inputs could be read but something was found."
        ),
    ] = False,
    decoding: Decoding,
    lang: Annotated[Language | None, language_option("the tables")] = None,
) -> None:
    """Check whether a model will understand recordings: level, noise, band, content, speakers.

    No emotion is recognised. What is found comes with advice and is no error: the exit code is 0 if every
    input could be read.
    """
    run = _Run(judging.find().rules, decoding.channel, decoding.limits())
    show = _json if json else _Table(lang or language_of()).show
    items = expand(inputs)
    if json and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    for source, result in run.over(items):
        show(source, result)
        sys.stdout.flush()
    if run.failures and len(items) > 1:
        tell(f"{len(run.failures)} of {len(items)} inputs could not be checked")
    code = exit_codes.of_run(run.succeeded, run.failures)
    raise typer.Exit(exit_codes.FINDING if code == exit_codes.OK and fail_on_finding and run.found else code)


class _Run:
    """The checks of all inputs, one by one."""

    def __init__(self, rules: Rules, channel: int | None, limits: Limits) -> None:
        self._rules, self._channel, self._limits = rules, channel, limits
        self.succeeded = 0
        self.found = 0
        self.failures: list[str] = []

    def over(
        self, items: list[str | Failure]
    ) -> Iterator[tuple[str, tuple[SignalQuality, Verdict] | Failure]]:
        from emotrace.results import Failure

        recordings = Recordings(False, self._limits.max_bytes)
        for item in items:
            result = item if isinstance(item, Failure) else self._one(recordings, item)
            if isinstance(result, Failure):
                self.failures.append(result.code)
                tell(failure_sentence(result))
                yield result.source, result
            else:
                self.succeeded += 1
                self.found += bool(result[1].reasons)
                yield "<stdin>" if item == "-" else str(item), result

    def _one(self, recordings: Recordings, name: str) -> tuple[SignalQuality, Verdict] | Failure:
        from emotrace.errors import EmotraceError, MissingExtraError, OptionError
        from emotrace.postprocess.verdict import judge_signal
        from emotrace.results import Failure
        from emotrace.segmentation import signal_quality

        try:
            quality = signal_quality(recordings.open(name), channel=self._channel, limits=self._limits)
            return quality, judge_signal(quality, self._rules)
        except (OptionError, MissingExtraError):
            raise
        except EmotraceError as problem:
            return Failure("<stdin>" if name == "-" else name, problem.code, str(problem))
        except Exception as problem:  # a bug must not stop the other inputs
            return bug(name, problem)


def _json(source: str, result: tuple[SignalQuality, Verdict] | Failure) -> None:
    from emotrace.outputs import failure_record, write_json
    from emotrace.outputs.signal_record import check_record

    record = check_record(source, *result) if isinstance(result, tuple) else failure_record(result)
    write_json(sys.stdout, record)


class _Table:
    """Prints a block for each recording; failures are told on standard error only."""

    def __init__(self, language: Language) -> None:
        from emotrace.cli.console import StdoutConsole

        self._console = StdoutConsole()
        self._words, self._chinese = WORDS[language], language is Language.zh
        self._first = True
        rich = (self._console.encoding or "").lower().replace("-", "").startswith("utf")
        self._mark, self._arrow = ("⚠", "→") if rich else ("!", "->")

    def show(self, source: str, result: tuple[SignalQuality, Verdict] | Failure) -> None:
        from rich.cells import cell_len
        from rich.text import Text

        if not isinstance(result, tuple):
            return
        quality, verdict = result
        if not self._first:
            self._console.print()
        self._first = False
        colour = {"keep": "green", "flag": "yellow", "drop": "red"}[verdict.decision]
        title = Text(one_line(source), "bold").append(f"  {self._words[verdict.decision]}", colour)
        self._console.print(title, soft_wrap=True)
        rows = self._rows(quality)
        width = max(cell_len(name) for name, _ in rows)
        for name, value in rows:
            self._console.print(f"  {name}{' ' * (width - cell_len(name))}  {value}", soft_wrap=True)
        for reason in verdict.reasons:
            sentence = reason.sentence_zh if self._chinese else reason.sentence
            advice = reason.advice_zh if self._chinese else reason.advice
            self._console.print(Text(f"  {self._mark} {sentence}", colour), soft_wrap=True)
            self._console.print(f"    {self._arrow} {advice}", soft_wrap=True)

    def _rows(self, quality: SignalQuality) -> list[tuple[str, str]]:
        words, measures = self._words, quality.measures
        level = f"{measures.level_db:.1f}", f"{measures.peak_db:.1f}"
        return [
            (words["length"], words["seconds"].format(f"{measures.duration:.1f}")),
            (words["content"], words[f"content {quality.content}"]),
            (
                words["speech"],
                words["speech of"].format(
                    f"{quality.speech_share * 100:.0f}", f"{quality.speech_seconds:.1f}"
                ),
            ),
            (words["music"], f"{quality.music_share * 100:.0f} %"),
            (words["noise"], f"{quality.noise_share * 100:.0f} %"),
            (words["snr"], self._known(quality.snr_db, "{:.0f} dB")),
            (words["bandwidth"], self._known(quality.bandwidth_hz, "{:.0f} Hz")),
            (words["level"], words["silent"] if "-inf" in level else words["level of"].format(*level)),
            (words["clipping"], f"{measures.clipping_share * 100:.1f} %"),
            (words["offset"], f"{round(measures.dc_offset, 3) + 0.0:+.3f}"),
            (words["speakers"], self._known(quality.several_speakers, words["score"].format("{:.2f}"))),
        ]

    def _known(self, value: float, form: str) -> str:
        return self._words["unknown"] if value != value else form.format(value)
