"""Real servers in processes of their own, which may be killed."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx2

from tests.cli.command import COMMAND, unmeasured

Found = TypeVar("Found")


class ServerProcess:
    """``emotrace serve`` on a free port.

    Args:
        data: its data folder.
        database: URL; None is SQLite in the folder.
        flags: more of the command's.

    Attributes:
        url: of it.
    """

    def __init__(self, data: Path, database: str | None = None, *flags: str) -> None:
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115, it is closed with the process
        extra = {} if database is None else {"EMOTRACE_DATABASE_URL": database}
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--data-dir", str(data), *flags],
            env={**unmeasured(), **extra},
            stdout=subprocess.DEVNULL,
            stderr=self._err,
        )
        try:
            self.url = wait(self._listening, "the server listens")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def log(self) -> str:
        """What it said."""
        self._err.seek(0)
        return self._err.read()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        """End it as an administrator would."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log

    def close(self) -> None:
        """End it if it runs."""
        if self.process.poll() is None:
            self.kill()
        self._err.close()

    def submit(self, files: Sequence[tuple[str, bytes]], key: str | None = None, **options: str) -> str:
        """Hand in a job; its id."""
        headers = {} if key is None else {"Idempotency-Key": key}
        sent = [("audio", file) for file in files]
        answer = httpx2.post(f"{self.url}/v1/jobs", files=sent, data=options, headers=headers, timeout=60)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def get(self, path: str) -> Any:
        """A JSON answer."""
        answer = httpx2.get(self.url + path, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def finished(self, job: str, seconds: float = 60.0) -> Any:
        """The job once it has ended."""

        def look() -> Any:
            found = self.get(f"/v1/jobs/{job}")
            return found if found["finished"] else None

        return wait(look, f"the job {job} ends", seconds)

    def _listening(self) -> str | None:
        found = re.search(r"listening on (http://\S+:\d+)", self.log)
        assert found or self.process.poll() is None, self.log
        return found[1] if found else None


def wait(look: Callable[[], Found | None], what: str, seconds: float = 60.0) -> Found:
    """What is found as soon as it is there."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)
    return found
