"""The processes of `benchmarks/server.py`: services, and the load on them."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.process import emotrace

LUA = Path(__file__).with_name("server_load.lua")
TICKS = os.sysconf("SC_CLK_TCK")


class Served:
    """A service as a process; ends with the block.

    Args:
        command: starts it.
        port: where it listens.
        log: what it says.
        variables: of its environment.
        ready: a path that answers 200 when it is ready.
    """

    def __init__(
        self, command: Sequence[str], port: int, log: Path, variables: dict[str, str], ready: str
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log, self._ready = log, ready
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **variables})

    def __enter__(self) -> Any:
        """Wait until it is ready."""
        until = time.monotonic() + 300
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(self._log.read_text()[-2000:])
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url + self._ready, timeout=5).close()
        except OSError:
            return False
        return True

    @property
    def _all(self) -> list[Path]:
        """The folders in /proc of the process and its children."""
        found = [self._process.pid]
        for pid in found:
            for children in Path("/proc").glob(f"{pid}/task/*/children"):
                found += map(int, _read(children).split())
        return [Path(f"/proc/{pid}") for pid in found]

    @property
    def rss_mb(self) -> float:
        """Resident memory of them all."""
        pages = [_read(each / "statm").split() for each in self._all]
        return sum(int(each[1]) for each in pages if each) * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_seconds(self) -> float:
        """User and system seconds of them all."""
        told = [_read(each / "stat").rpartition(")")[2].split() for each in self._all]
        return sum(int(each[11]) + int(each[12]) for each in told if each) / TICKS

    def log(self) -> list[dict[str, Any]]:
        """Lines of JSON that it wrote."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]


class Emotrace(Served):
    """Our service.

    Args:
        home: `EMOTRACE_HOME`.
        data: for its history; its log lies beside.
        model: installed there.
        precision: of it.
        flags: of `emotrace serve`.
    """

    def __init__(self, home: Path, data: Path, model: str, precision: str, *flags: str) -> None:
        port = free_port()
        command = emotrace("serve", "--port", str(port), "--preload", "--model", model)
        super().__init__(
            [*command, "--precision", precision, *flags],
            port,
            data / "log",
            {"EMOTRACE_HOME": str(home), "EMOTRACE_DATA_DIR": str(data / "data")},
            "/v1/ready",
        )


class Peer(Served):
    """FastAPI around FunASR.

    Args:
        python: of its environment.
        checkpoint: in the published format.
        threads: of torch.
    """

    def __init__(self, python: Path, checkpoint: Path, threads: int) -> None:
        port = free_port()
        script = Path(__file__).with_name("server_peer.py")
        command = [str(python), str(script), str(checkpoint), str(threads), str(port)]
        super().__init__(command, port, checkpoint.with_suffix(".server-log"), {}, "/openapi.json")


def load(
    served: Served, bodies: Sequence[Path], concurrency: int, seconds: float, pause_ms: float = 0.0
) -> dict[str, Any]:
    """Post bodies for some seconds.

    Args:
        served: gets them.
        bodies: multipart.
        concurrency: connections.
        seconds: how long.
        pause_ms: mean time between answer and next request of a connection.

    Returns:
        ``requests``, ``seconds``, ``rate`` per second, ``p50``, ``p95``, ``p99`` and ``max`` in ms,
        ``statuses``, ``broken`` connections by what broke, ``cpu_ms`` of the service for each request.
    """
    used = served.cpu_seconds
    command = ["wrk", "--threads", "1", "--timeout", "120s", "--script", str(LUA)]
    command += ["--connections", str(concurrency), "--duration", f"{math.ceil(seconds)}s"]
    command += [f"{served.url}/v1/recognitions", "--", f"{pause_ms:g}", *map(str, bodies)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    figures["rate"] = figures["requests"] / figures["seconds"]
    figures["cpu_ms"] = (served.cpu_seconds - used) / max(1, figures["requests"]) * 1000
    return figures


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""
