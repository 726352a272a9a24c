"""schemathesis asks every route of the OpenAPI document what fits it and what does not, with all checks."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.server.served import ON, TOKEN, live, tone

HERE = Path(__file__).parent
QUICK = ("--phases=fuzzing", "--max-examples=2")
LONG = ("--phases=examples,coverage,fuzzing,stateful", "--max-examples=25")


@pytest.mark.parametrize("flags", [QUICK, pytest.param(LONG, marks=pytest.mark.slow)], ids=["quick", "long"])
def test_the_service_does_what_its_document_says(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wrong keys are slowed down, which would be a 429 where 401 is looked for.
    for name in ("WRONG_AT_ONCE", "ALL_WRONG_AT_ONCE"):
        monkeypatch.setattr(f"emotrace.server.access.authentication.{name}", 10**6)
    with live(token=TOKEN, queue=1000, data_dir=tmp_path / "data") as url:
        ids = [keep(url) for _ in range(8)]
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "--no-color"),
                *("--config-file", str(HERE / "schemathesis.toml")),
                *("run", f"{url}/v1/openapi.json", "--header", f"Authorization: Bearer {TOKEN}", *flags),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.server.openapi_hooks",
                "PYTHONPATH": str(HERE.parents[1]),
                "EMOTRACE_TEST_SOUND": base64.b64encode(tone(seconds=0.25)).decode(),
                "EMOTRACE_TEST_IDS": " ".join(ids),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert httpx2.get(f"{url}/v1/ready").status_code == 200
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test cases:" in done.stdout


def keep(url: str) -> str:
    """The id of a recognition."""
    files = {"audio": ("talk.wav", tone())}
    answer = httpx2.post(f"{url}/v1/recognitions", files=files, data={"checks": "false"}, headers=ON)
    return str(answer.json()["id"])
