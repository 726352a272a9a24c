"""Write docs/settings.md from the settings of the service; with --check, only compare."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from emotrace.server.settings import Settings
from emotrace.server.settings_sources import Setting, settings_of
from scripts.cli_reference import main

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

HEAD = """\
# The settings of the service

<!-- Made by scripts/settings_reference.py from emotrace.server.settings; `make docs` makes it again. -->

A setting is an option of `emotrace serve`, a variable of its environment, or a key of a TOML file that
`--config` or `EMOTRACE_CONFIG` names. An option goes before a variable, a variable before the file, the file
before the default. What is out of range or unknown ends the start, with one sentence that says where it
stands.

```toml
max_bytes = 20_000_000
preload = true
log_format = "json"
```

`emotrace serve --show-settings` prints what is in force, as such a file. The key is the name of the option
with `_` for `-`. A list is a text with commas; the option can also be given again and again, and TOML has
arrays.

A secret is never shown, and has no option of its own, since others can see a command line. It comes from its
variable, or from a file that `--X-file`, `EMOTRACE_X_FILE` or the key `X_file` names, as Docker and
Kubernetes mount secrets.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for group, settings in groupby(settings_of(Settings), key=lambda setting: setting.group):
        parts.append(f"\n## {group}\n\n| option | variable | default | meaning |\n|---|---|---|---|\n")
        parts.extend(map(row, settings))
    return "".join(parts)


def row(setting: Setting) -> str:
    """One setting."""
    shown = f"`{setting.shown}`" if setting.shown else ""
    value = "" if setting.kind is bool else f" {setting.metavar.replace('|', chr(92) + '|')}"
    text = setting.text.replace("``", "`").rstrip(".")
    return f"| `{setting.flag}{value}` | `{setting.variable}` | {shown} | {text} |\n"


if __name__ == "__main__":
    sys.exit(main(page, PAGE))
