"""Makes docs/images/ui-*.png: each page in both languages, one at the width of a phone, one in the dark.

Starts the service with the built-in model on a free port and looks at it with Chromium. Needs the extras
``server`` and ``dev``, and Chromium; on a machine without colour emoji they are drawn in black.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from emotrace.audio import load
from emotrace.outputs.folder import write_wav
from emotrace.sample import sample_path
from tests.webui.pages import Visit, browser, served, visit

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LIVE_MS = 21_000


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder:
        talk = Path(folder) / "moods.wav"
        sound = load(sample_path()).samples
        write_wav(talk, [sound])
        clips = [Path(folder) / name for name in ("calm.wav", "quarrel.wav", "greeting.wav")]
        for clip, (start, end) in zip(clips, ((0, 3.6), (4.2, 7.5), (19.5, 23.1)), strict=True):
            write_wav(clip, [sound[round(start * 16000) : round(end * 16000)]])
        with served(Path(folder)) as url, browser(talk) as chromium:
            for language in ("en", "zh"):
                _pages(chromium, url, language, talk, clips)
            _alone(chromium, url, "zh", talk, "ui-phone", width=390)
            _alone(chromium, url, "en", talk, "ui-dark", color_scheme="dark")


def _pages(chromium: Any, url: str, language: str, talk: Path, clips: list[Path]) -> None:
    with visit(chromium, url, language, permissions=["microphone"]) as seen:
        _analyse(seen, talk)
        _keep(seen, f"ui-analyse-{language}")
        seen.tab(1)
        seen.page.locator("#em-live-start").click()
        seen.page.wait_for_timeout(LIVE_MS)
        _keep(seen, f"ui-live-{language}")
        seen.page.locator("#em-live-stop").click()
        seen.tab(2)
        seen.upload(*clips, into="#em-files")
        seen.page.locator("#em-batch:not([disabled])").click()
        seen.page.wait_for_selector("#em-batch-shown .em-done")
        _keep(seen, f"ui-batch-{language}")
        seen.tab(3)
        seen.page.locator("#em-list label").nth(2).click()
        seen.page.wait_for_selector("#em-history-shown .em-result")
        _keep(seen, f"ui-history-{language}")
        seen.tab(4)
        seen.page.wait_for_timeout(500)
        _keep(seen, f"ui-about-{language}")


def _alone(chromium: Any, url: str, language: str, talk: Path, name: str, **looks: Any) -> None:
    with visit(chromium, url, language, **looks) as seen:
        _analyse(seen, talk)
        _keep(seen, name)


def _analyse(seen: Visit, talk: Path) -> None:
    seen.page.locator(".em-granularity label").nth(1).click()
    seen.analyse(talk)


def _keep(seen: Visit, name: str) -> None:
    """A picture of the whole page."""
    seen.page.mouse.move(0, 0)
    seen.page.wait_for_timeout(600)
    path = IMAGES / f"{name}.png"
    seen.page.screenshot(path=path, full_page=True)
    _shrink(path)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def _shrink(path: Path) -> None:
    """Keep the 200 colours that most of the picture has, and the nearest of 56 others for the rest."""
    from PIL import Image

    with Image.open(path) as file:
        whole = file.convert("RGB")
    counted: list[Any] = sorted(whole.getcolors(1 << 24) or [], reverse=True)
    colours = [channel for _, colour in counted[:200] for channel in colour]
    others = whole.quantize(56, Image.Quantize.FASTOCTREE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colours, *others][:768])
    whole.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
