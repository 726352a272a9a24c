"""Write docs/cli.md from the help of every command; with --check, only compare.

The width is fixed and nothing is coloured, so the page does not depend on the terminal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emotrace.cli import exit_codes
from emotrace.cli.commands import root

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH = 96

HEAD = """\
# The command line

<!-- Made by scripts/cli_reference.py from the help of the commands; `make docs` makes it again. -->

Results go to standard output; errors, progress and notes go to standard error, each error as one sentence
that begins with `emotrace:`. An input that cannot be used does not stop the others. A file or result folder
is written under a hidden name and renamed when it is complete, so nothing half-written is ever seen.

## Exit codes

| code | meaning |
|---|---|
"""

NOTES = """
A run over several inputs ends with 5 if some of them failed, and with the code of their error if all failed
for the same reason; 1, 7, 6 and 2 go before these.

## What `--json` gives

One object on one line for each input, in UTF-8; NaN and infinity are null. `result.json` in a result
folder has the same fields, but `embedding` and `frames`, which are `embedding.npy` and `frames.json` there;
with `--smooth` the frames before smoothing are in `frames_raw.json`.

| field | meaning |
|---|---|
| `emotion`, `confidence` | the likeliest of the nine labels, and its probability |
| `scores` | probability of each label |
| `granularity` | `utterance`, `frame` or `segment` |
| `timestamp` | local time of the recognition, `YYYY-MM-DD HH:MM:SS` |
| `schema_version` | 1; fields are added without a new version, never removed |
| `source` | the input as it was given, `<stdin>` for `-` |
| `top` | the three likeliest labels: `emotion`, `score` |
| `quality` | `level_db`, `peak_db`, `clipping_share`, `dc_offset`, `silence_share` of the sound |
| | of the signal checks: `bandwidth_hz`, `snr_db`, `speech_share`, `speech_seconds`, `music_share`, |
| | `noise_share`, `several_speakers`, `content` (`speech`, `music`, `noise`, `silence`); null: not known |
| `model` | `name`, `revision`, `precision`, `device`, `runtime`, `threads` |
| `duration_seconds`, `speech_seconds` | of the recording, and of the speech in it (null if not looked for) |
| `segments` | stretches between pauses: `start`, `end`, `emotion`, `confidence`, `scores` |
| | with `--smooth` stretches of one emotion; their scores are those before smoothing |
| `shares` | share of the time of the segments of each emotion |
| `reference` | what it was compared with: `none`, `given`, `recording` or `batch` |
| `track_method` | how emotion over time was read; null without |
| `warnings` | sentences about the file and its samples, most important first |
| `change_points` | between segments: `time`, `before`, `after`, `strength` (0 to 1) |
| `smoothing` | with `--smooth`: `method`, `latency_seconds` (null: the whole recording) |
| `verdict` | `decision` (`keep`, `flag` or `drop`) and `reasons`: `code`, `decision`, `value`, `threshold`, |
| | `sentence`, `advice`, in Chinese `sentence_zh`, `advice_zh` |
| `embedding` | of the whole recording, with `--embedding` |
| `folder` | where the result folder is, with `--out` |
| `frames` | with `--granularity frame`: `emotion`, `score`, `timestamp` (its start), `scores` |
| | smoothed with `--smooth` |

A step without speech is left out of `frames`: silence has no emotion. An input that failed gives
`schema_version`, `source` and `error` with `code` and `reason`.

## Environment

| variable | meaning |
|---|---|
| `EMOTRACE_HOME` | folder of the installed models; else the data folder of the platform |
| `EMOTRACE_DEBUG` | if set, errors are shown with their traceback |
| `LC_ALL`, `LC_MESSAGES`, `LANG` | the first that is set chooses the language of the tables |
| `NO_COLOR` | if set, nothing is coloured |
"""


def page() -> str:
    """The whole page."""
    rows = "".join(f"| {code} | {meaning} |\n" for code, meaning in exit_codes.MEANINGS.items())
    parts = [f"## `{name}`\n\n```text\n{text}\n```\n" for name, text in helps(root(), "emotrace", None)]
    return HEAD + rows + NOTES + "\n" + "\n".join(parts)


def helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    """Name and help of a command and all below it."""
    context = command.make_context(
        name.split()[-1], [], parent=parent, resilient_parsing=True, terminal_width=WIDTH, color=False
    )
    lines = command.get_help(context).splitlines()
    yield name, "\n".join(line.rstrip() for line in lines).strip()
    for child, below in getattr(command, "commands", {}).items():
        yield from helps(below, f"{name} {child}", context)


def main(make: Callable[[], str] = page, place: Path = PAGE) -> int:
    """Write or compare; 1 if the page on disk is not up to date.

    Args:
        make: its text.
        place: where it is.
    """
    parser = argparse.ArgumentParser(description="Write a page of docs/ that is made of the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the page is not up to date")
    parser.add_argument("--page", type=Path, default=place, help="the page")
    arguments = parser.parse_args()
    text = make()
    if not arguments.check:
        arguments.page.parent.mkdir(parents=True, exist_ok=True)
        arguments.page.write_text(text, encoding="utf-8")
        return 0
    there = arguments.page.read_text(encoding="utf-8") if arguments.page.is_file() else ""
    if there == text:
        return 0
    print(f"{arguments.page} is not what the code says; run `make docs` and commit the page", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
