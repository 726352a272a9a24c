from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from emotrace.cli.tables import Tables, clock
from emotrace.cli.texts import Language
from emotrace.outputs import Granularity
from emotrace.results import Recognition, SignalMeasures, Smoothing, Verdict
from tests.cli.command import square, write
from tests.cli.conftest import Run
from tests.outputs.made import QUALITY, VERDICT, made, segment, track


def shown(
    *results: Recognition,
    granularity: Granularity = "utterance",
    language: Language = Language.en,
    encoding: str = "utf-8",
    colour: bool = False,
) -> str:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace")
    console = Console(
        file=file,
        highlight=False,
        force_terminal=colour,
        width=40,
        color_system="truecolor" if colour else None,
    )
    tables = Tables(console, language, granularity, several=len(results) > 1)
    for result in results:
        tables.show(result)
    file.flush()
    return buffer.getvalue().decode(encoding)


def test_one_recording_is_a_block() -> None:
    lines = shown(made(warnings=("DC offset of +0.100",))).splitlines()
    assert lines[0].split() == ["talk.wav", "2.0", "s", "model", "compact"]
    assert lines[1].split() == ["😊", "happy", "████████████████████▌", "85.3", "%"]
    assert [line.split()[1] for line in lines[1:4]] == ["happy", "neutral", "angry"]
    assert lines[4] == "  level -20.5 dB, clipped 0.0 %, silent 25 %"
    assert lines[5] == "  ⚠ DC offset of +0.100"


def test_several_recordings_are_one_line_each() -> None:
    lines = shown(made("a.wav"), made("声音.wav", warnings=("odd",)), made("c.wav")).splitlines()
    assert [line.split()[-1] for line in lines] == ["a.wav", "声音.wav", "odd", "c.wav"]
    starts = {
        cell_len(line[: line.index(name)]) for line, name in zip(lines, ["a.wav", "声音"], strict=False)
    }
    assert len(starts) == 1  # the names stand below each other
    assert "neutral 5.0 %, angry 2.0 %" in lines[0]


def test_on_a_narrow_terminal_a_line_for_each_leaves_the_runners_up_out() -> None:
    [first, _] = shown(made("a.wav"), made("b.wav"), colour=True).splitlines()
    assert "happy" in first
    assert "neutral" not in first


def test_a_timeline_joins_steps_and_shows_pauses() -> None:
    result = made(track=track(["happy"] * 25 + [None] * 10 + ["sad"] * 15))
    text = shown(result, granularity="frame")
    assert [[*line.split()[:3], line.split()[4]] for line in text.splitlines()[-3:]] == [
        ["0:00.0", "-", "0:01.0", "happy"],
        ["0:01.0", "-", "0:01.4", "speech"],
        ["0:01.4", "-", "0:02.0", "sad"],
    ]


def test_a_long_recording_has_shares_and_segments() -> None:
    spoken = tuple(segment(i * 10.0, i * 10.0 + 9, "sad" if i % 3 else "happy") for i in range(60))
    result = made(
        segments=spoken,
        shares={"happy": 1 / 3, "sad": 2 / 3},
        duration=600.0,
        speech_duration=540.0,
        reference="recording",
    )
    text = shown(result)
    assert "speech 9:00.0 of 10:00.0" in text
    assert "each stretch compared with the speech before it" in text
    shares = text.split("share of the speech")[1].splitlines()[1:3]
    assert [(line.split()[1], line.split()[-2]) for line in shares] == [("sad", "66.7"), ("happy", "33.3")]
    assert text.splitlines()[-1] == "  ... 20 more; --granularity segment shows all"
    complete = shown(result, granularity="segment").splitlines()
    assert complete[-1].split()[:3] == ["9:50.0", "-", "9:59.0"]


def test_the_verdict_comes_with_sentences_and_advice() -> None:
    lines = shown(made(verdict=VERDICT, quality=QUALITY)).splitlines()
    assert lines[4] == "  level -20.5 dB, clipped 0.0 %, silent 25 %, speech 24 dB over noise, up to 7.9 kHz"
    assert lines[5:] == [
        "  ✗ drop: not to be relied on",
        "    low confidence: 0.42; expected 0.60 or more",
        "      listen to the recording",
        "    clipped: 2.0% of the samples",
        "      lower the level",
    ]
    assert shown(made(verdict=Verdict("keep"))).splitlines()[5:] == ["  ✓ keep"]
    flagged = shown(made(verdict=Verdict("flag", VERDICT.reasons[1:]))).splitlines()[5:]
    assert flagged[0] == "  ⚑ flag: look at it before use"


def test_of_several_only_what_is_not_kept_is_told_without_advice() -> None:
    text = shown(made("a.wav", verdict=Verdict("keep")), made("b.wav", verdict=VERDICT))
    assert "keep" not in text
    assert text.splitlines()[2:] == [
        "  ✗ drop: not to be relied on",
        "    low confidence: 0.42; expected 0.60 or more",
        "    clipped: 2.0% of the samples",
    ]


def test_the_verdict_in_chinese_and_without_unicode() -> None:
    text = shown(made(verdict=VERDICT), language=Language.zh)
    assert "  ✗ 弃用：不可依赖\n    置信度低：0.42；应不低于 0.60\n      请人工复听\n" in text
    assert "  x drop" in shown(made(verdict=VERDICT), encoding="latin-1")


def test_the_timeline_is_that_of_the_smoothed_track() -> None:
    result = made(
        track=track(["happy", "sad"] * 25), smoothed=track(["happy"] * 50), smoothing=Smoothing("hmm", 0.0)
    )
    text = shown(result, granularity="frame")
    assert "  smoothed: hmm" in text
    assert [line.split()[4] for line in text.split("over time")[1].splitlines()[1:]] == ["happy"]


def test_blocks_are_apart() -> None:
    spoken = made(segments=(segment(0, 1),), shares={"happy": 1.0})
    text = shown(spoken, spoken, granularity="segment")
    assert text.count("\n\n") == 1


def test_in_chinese() -> None:
    result = made(
        warnings=("DC offset of +0.100",),
        segments=(segment(0, 1),),
        shares={"happy": 1.0},
        speech_duration=1.0,
        reference="given",
        track=track([None]),
    )
    text = shown(result, language=Language.zh, granularity="frame")
    for words in (
        "快乐",
        "2.0 秒",
        "模型 compact",
        "电平 -20.5 dB",
        "直流偏移 +0.100",
        "语音时间占比",
        "无语音",
    ):
        assert words in text
    assert not any(word in text for word in ("happy", "silent", "speech", "share", "offset"))


def test_digital_silence_has_no_level() -> None:
    silent = SignalMeasures(2.0, -np.inf, -np.inf, 0.0, 0.0, 1.0)
    assert "digital silence, clipped" in shown(made(measures=silent))


def test_a_name_cannot_steer_the_terminal() -> None:
    text = shown(made("a\x1b[31m\nb[bold]:smile:\u202e.wav"))
    assert text.splitlines()[0].startswith("a\\x1b[31m\\nb[bold]:smile:\\u202e.wav")


def test_a_terminal_without_unicode_gets_plain_bars() -> None:
    text = shown(made("声.wav", warnings=("odd",)), encoding="latin-1")
    assert "\\u58f0.wav" in text
    assert "  happy     ####################" in text
    assert "! odd" in text
    assert "\\U" not in text


def test_colours_only_on_a_terminal() -> None:
    assert "\x1b[38;2;230;159;0m" in shown(made(), colour=True)
    assert "\x1b" not in shown(made())


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.96, 3599.96, 36000)] == ["0:00.0", "1:00.0", "1:00:00.0", "10:00:00.0"]


@pytest.mark.parametrize(
    ("variables", "options", "word"),
    [
        ({"LANG": "zh_CN.UTF-8"}, [], "快乐"),
        ({"LANG": "zh_CN.UTF-8"}, ["--lang", "en"], "happy"),
        ({}, ["--lang", "zh"], "快乐"),
        ({}, [], "happy"),
    ],
)
def test_the_language_is_that_of_the_user_or_the_option(
    fake: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    options: list[str],
    word: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, _ = fake("analyze", write(tmp_path / "a.wav", square()), *options)
    assert code == 0
    assert out.splitlines()[1].split()[1] == word
