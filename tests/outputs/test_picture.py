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
from emotrace.labels import emotion
from emotrace.outputs import save_picture
from emotrace.outputs.picture import _clock, _ticks
from emotrace.results import Array, Recognition, Signal
from tests.outputs.made import blocks, made, names, segment, track

pytest.importorskip("matplotlib")


def colours_of(path: Path) -> set[str]:
    """The fill colours of an SVG."""
    styles = ";".join(element.get("style", "") for element in ElementTree.parse(path).iter())
    return {part.strip()[6:].upper() for part in styles.split(";") if part.strip().startswith("fill: #")}


def noise(seconds: float) -> Iterator[Array]:
    random = np.random.default_rng(0)
    for _ in range(round(seconds)):
        yield random.normal(0, 0.1, 16000).astype(np.float32)


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
    ],
    ids=["whole", "segments", "silent", "unknown", "tiny", "name"],
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


def test_ticks_are_round_and_few() -> None:
    for duration in (0.3, 1, 9, 23, 61, 100, 3600, 10800, 86400):
        ticks = _ticks(duration)
        assert 2 <= len(ticks) <= 13
        assert ticks[-1] <= duration + 1e-6
    shown = [_clock(tick) for tick in _ticks(10800)]
    assert shown == ["0:00", "30:00", "1:00:00", "1:30:00", "2:00:00", "2:30:00", "3:00:00"]
