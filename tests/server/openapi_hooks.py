"""What schemathesis, which loads this, cannot make up: sound that can be heard, and ids of what is kept."""

from __future__ import annotations

import base64
import os
from typing import Any

import schemathesis

SOUND = base64.b64decode(os.environ.get("EMOTRACE_TEST_SOUND", ""))
IDS = {"id": os.environ.get("EMOTRACE_TEST_IDS", "none").split(), "name": ["compact"]}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Half of the recordings are some."""
    audio = body.get("audio") if isinstance(body, dict) else None
    if isinstance(audio, bytes) and len(audio) % 2 == 0:
        return {**body, "audio": SOUND}
    return body


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Most ids are known."""
    for name, known in IDS.items():
        given = str((path_parameters or {}).get(name, ""))
        if given and len(given) % 4:
            path_parameters = {**path_parameters, name: known[len(given) % len(known)]}
    return path_parameters
