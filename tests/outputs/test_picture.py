from __future__ import annotations

import builtins
import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import MissingExtraError, OptionError, OutputError
from emotrace.labels import EMOTIONS, emotion
from emotrace.outputs import lettering as module
from emotrace.outputs import save_picture
from emotrace.outputs.lettering import TEXTS, Lettering, width
from emotrace.outputs.panels import HATCHES
from emotrace.outputs.picture import _clock, _ticks
from emotrace.results import Array, ChangePoint, Recognition, Signal, Smoothing, Verdict
from tests.outputs.made import VERDICT, blocks, made, names, segment, track

pytest.importorskip("matplotlib")


def colours_of(path: Path) -> set[str]:
    """The fill colours of an SVG."""
    styles = ";".join(element.get("style", "") for element in ElementTree.parse(path).iter())
    return {part.strip()[6:].upper() for part in styles.split(";") if part.strip().startswith("fill: #")}


def noise(seconds: float) -> Iterator[Array]:
    random = np.random.default_rng(0)
    for _ in range(round(seconds)):
        yield random.normal(0, 0.1, 16000).astype(np.float32)


def words_of(path: Path) -> str:
    """The texts of an SVG, which matplotlib leaves beside the shapes of their letters."""
    return path.read_text("utf-8")


SMOOTHED = made(
    "talk.wav",
    track=track(["happy"] * 10 + ["sad"] * 2 + ["happy"] * 13 + ["sad"] * 25),
    smoothed=track(["happy"] * 25 + ["sad"] * 25),
    smoothing=Smoothing("median", 0.48),
    segments=(segment(0, 1), segment(1, 2, "sad")),
    change_points=(ChangePoint(1.0, "happy", "sad", 0.9),),
    verdict=VERDICT,
)


def test_a_png_of_full_size(tmp_path: Path) -> None:
    result = made(track=track(["happy"] * 25 + ["sad"] * 25))
    save_picture(blocks(), result, tmp_path / "p.png")
    content = (tmp_path / "p.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    assert width > 1200
    assert height > 600
    assert names(tmp_path) == ["p.png"]


def test_the_emotions_have_their_colours(tmp_path: Path) -> None:
    result = made(track=track(["happy"] * 25 + [None] * 5 + ["sad"] * 20))
    save_picture(Signal(np.concatenate(blocks()), 16000), result, str(tmp_path / "p.SVG"))
    found = colours_of(tmp_path / "p.SVG")
    assert {emotion("happy").colour, emotion("sad").colour} <= found


@pytest.mark.parametrize(
    "result",
    [
        made(),
        made(segments=(segment(0, 0.5), segment(0.9, 1.8, "sad"))),
        made(track=track([None, None])),
        made(track=track(["unknown"] * 3), duration=0.1),
        made(duration=0.01),
        made("声音 $x$ 😊\n.wav"),
        SMOOTHED,
        made(verdict=Verdict("keep")),
        made(verdict=Verdict("flag", VERDICT.reasons[1:])),
        made(
            track=track(["happy", "sad"] * 50),
            change_points=tuple(ChangePoint(i / 50, "happy", "sad", 0.5) for i in range(100)),
        ),
    ],
    ids=["whole", "segments", "silent", "unknown", "tiny", "name", "smoothed", "keep", "flag", "changes"],
)
def test_whatever_a_recognition_holds_can_be_drawn(tmp_path: Path, result: Recognition) -> None:
    save_picture(blocks(), result, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_a_long_recording_with_many_steps(tmp_path: Path) -> None:
    steps: list[str | None] = (["happy"] * 500 + [None] * 100 + ["sad"] * 400) * 5
    spoken = tuple(segment(i * 40.0, i * 40.0 + 30) for i in range(5))
    result = made(track=track(steps), segments=spoken, duration=200.0)
    save_picture(noise(200), result, tmp_path / "p.svg")
    assert {emotion("happy").colour, emotion("sad").colour} <= colours_of(tmp_path / "p.svg")


def test_no_global_state_of_matplotlib_is_touched(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.outputs.made import blocks, made\n"
        "from emotrace.outputs import save_picture\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"save_picture(blocks(), made(), Path({str(tmp_path)!r}) / 'p.png')\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("name", ["p.jpg", "p", "p.png.txt"])
def test_only_png_and_svg(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match=r"expected \.png or \.svg"):
        save_picture(blocks(), made(), tmp_path / name)


def test_without_matplotlib_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotrace\[plot\]'"):
        save_picture(blocks(), made(), tmp_path / "p.png")


def test_a_picture_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.png").write_bytes(b"old")
    opened = builtins.open

    def full(path: Any, *arguments: Any, **named: Any) -> Any:
        if str(path).endswith(".tmp"):
            raise OSError(28, "No space left on device")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(builtins, "open", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_picture(blocks(), made(), tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes() == b"old"
    assert names(tmp_path) == ["p.png"]


def test_verdict_reasons_and_marks_are_drawn(tmp_path: Path) -> None:
    save_picture(blocks(value=1.0), SMOOTHED, tmp_path / "p.svg")
    words = words_of(tmp_path / "p.svg")
    for text in ("✗ drop", "low-confidence, clipped", "smoothed: median", "change", "segment", "limit 60 %"):
        assert text in words
    save_picture(blocks(), made(), tmp_path / "plain.svg")
    plain = words_of(tmp_path / "plain.svg")
    assert not any(f"<!-- {text} -->" in plain for text in ("✗ drop", "change", "segment", "clipped"))


def test_emotions_are_told_apart_without_colours() -> None:
    assert set(HATCHES) == {one.name for one in EMOTIONS}
    assert len(set(HATCHES.values())) == len(HATCHES)


def fonts(monkeypatch: pytest.MonkeyPatch, *there: str) -> None:
    monkeypatch.setattr(module, "CHINESE", there)
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [])


def test_without_a_chinese_font_the_words_are_english_and_no_letter_is_a_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fonts(monkeypatch)
    lettering = Lettering("zh", "声音.wav")
    assert not lettering.chinese
    assert lettering.label("sad") == "sad"
    assert lettering.reasons(VERDICT) == "low-confidence, clipped"
    assert lettering.drawable("声\t音 é😊.wav", 70) == "\\u58f0\\t\\u97f3 é😊.wav"
    save_picture(blocks(), made("声音 \U0002a700.wav", verdict=VERDICT), tmp_path / "p.svg", language="zh")
    assert "\\u58f0\\u97f3 \\U0002a700.wav" in words_of(tmp_path / "p.svg")


def test_in_chinese_if_there_is_a_font(tmp_path: Path) -> None:
    if not Lettering("zh").chinese:
        pytest.skip("no font with Chinese letters on this machine")
    save_picture(blocks(), made("声音.wav", verdict=VERDICT), tmp_path / "p.svg", language="zh")
    words = words_of(tmp_path / "p.svg")
    for text in ("声音.wav", "整体：快乐 85 %", "✗ 弃用", "置信度低、削波", "概率", "置信度"):
        assert text in words
    assert "<!-- happy" not in words


def test_both_languages_have_every_word() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()


@pytest.mark.parametrize("name", ["a" * 300, "名" * 300, "\x1b" * 100, "é😊" * 200])
def test_a_long_name_stays_on_the_picture(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fonts(monkeypatch)
    text = Lettering("en").drawable(name, 74)
    assert width(text) <= 74
    assert text.isprintable()
    assert "..." in text


def test_ticks_are_round_and_few() -> None:
    for duration in (0.3, 1, 9, 23, 61, 100, 3600, 10800, 86400):
        ticks = _ticks(duration)
        assert 2 <= len(ticks) <= 13
        assert ticks[-1] <= duration + 1e-6
    shown = [_clock(tick) for tick in _ticks(10800)]
    assert shown == ["0:00", "30:00", "1:00:00", "1:30:00", "2:00:00", "2:30:00", "3:00:00"]
