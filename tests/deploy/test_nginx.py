"""The configuration of nginx, in a real nginx before real servers."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.sync.client import connect

from tests.deploy.deployed import text
from tests.server.served import ON, TOKEN, live, tone, wait_for

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("openssl") is None, reason="no nginx or openssl"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def certificate(folder: Path) -> None:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of nginx, without and with TLS, before two servers."""
    folder = tmp_path_factory.mktemp("nginx")
    certificate(folder)
    plain, encrypted = free_port(), free_port()
    settings: dict[str, Any] = {"token": TOKEN, "trusted_proxies": "127.0.0.0/8", "max_bytes": 200_000}
    with live(**settings) as one, live(**settings) as two:
        content = text("nginx.conf")
        for old, new in (
            ("emotrace-1:7860", urlsplit(one).netloc),
            ("emotrace-2:7860", urlsplit(two).netloc),
            ("listen 80 ", f"listen 127.0.0.1:{plain} "),
            ("listen 443 ", f"listen 127.0.0.1:{encrypted} "),
            ("/etc/nginx/certs/", f"{folder}/"),
        ):
            assert old in content
            content = content.replace(old, new)
        places = "".join(
            f"{name}_temp_path {folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        content = content.replace("http {\n", f"http {{\n{places}")
        (folder / "nginx.conf").write_text(f"pid {folder}/pid;\ndaemon off;\n{content}")
        command = ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr
        assert "warn" not in tested.stderr
        process = subprocess.Popen(command)
        try:
            wait_for(lambda: listens(encrypted), "nginx starts")
            yield f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{encrypted}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def client(proxy: tuple[str, str]) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=proxy[1], verify=False, headers=ON, timeout=60) as client:
        yield client


def upload(client: httpx2.Client, content: bytes, **headers: str) -> Any:
    files = {"audio": ("talk.wav", content)}
    return client.post("/v1/recognitions", files=files, data={"checks": "false"}, headers=headers)


def test_plain_requests_are_sent_to_tls(proxy: tuple[str, str]) -> None:
    answer = httpx2.get(f"{proxy[0]}/v1/health?x=1")
    assert (answer.status_code, answer.headers["location"]) == (308, "https://127.0.0.1/v1/health?x=1")


def test_an_upload_goes_through_with_its_id_and_its_headers(client: httpx2.Client) -> None:
    answer = upload(client, tone(), **{"X-Request-ID": "from-far"})
    assert (answer.status_code, answer.json()["emotion"]) == (200, "happy")
    assert answer.headers["x-request-id"] == "from-far"
    assert answer.headers["strict-transport-security"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{32}", upload(client, tone()).headers["x-request-id"])


def test_limits_and_sign_in_are_the_server_s(client: httpx2.Client) -> None:
    assert upload(client, bytes(300_000)).json()["code"] == "limit"
    answer = httpx2.get(f"{client.base_url}/v1/models", verify=False)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_figures_are_not_for_everybody(client: httpx2.Client) -> None:
    assert client.get("/v1/metrics").status_code == 403


def test_a_live_stream_goes_through(proxy: tuple[str, str]) -> None:
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    url = proxy[1].replace("https", "wss") + "/v1/stream"
    with connect(url, ssl=careless, additional_headers=ON, open_timeout=30) as stream:
        stream.send(json.dumps({"sampling_rate": 16000}))
        started = json.loads(stream.recv(timeout=30))
        assert started["type"] == "session.started", started
