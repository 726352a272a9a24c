"""Behind a proxy, and encrypted."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient
from starlette.requests import Request

from emotrace.errors import OptionError
from emotrace.server.access.proxies import tls_of
from emotrace.server.settings import Settings
from tests.server.served import TOKEN, app_of, live

PROXY = "10.0.0.1"


@contextmanager
def behind(peer: str, **settings: Any) -> Iterator[TestClient]:
    """A client whose connection comes from ``peer``; it is told whom the service sees."""
    app = app_of(**settings)

    @app.get("/v1/me")
    def me(request: Request) -> Any:
        assert request.client is not None
        return [request.client.host, request.url.scheme]

    with TestClient(app, base_url="http://127.0.0.1", client=(peer, 50000)) as client:
        yield client


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        (PROXY, "192.0.2.7", "192.0.2.7"),
        (PROXY, "203.0.113.9, 192.0.2.7", "192.0.2.7"),  # the left one is the client's own word
        (PROXY, "192.0.2.7, 10.0.0.9", "192.0.2.7"),  # through two of our proxies
        (f"::ffff:{PROXY}", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.8", "127.0.0.1", "192.0.2.8"),  # no proxy of ours
        (PROXY, None, PROXY),
    ],
)
def test_only_trusted_proxies_say_who_asks(peer: str, forwarded: str | None, seen: str) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    with behind(peer, trusted_proxies=["10.0.0.0/8"]) as client:
        answer = client.get("/v1/me", headers=headers)
        believed = forwarded is not None and peer.endswith(PROXY)
        assert answer.json() == [seen, "https" if believed else "http"]
        assert ("strict-transport-security" in answer.headers) == believed
    with behind(peer) as client:
        assert client.get("/v1/me", headers=headers).json() == [peer.removeprefix("::ffff:"), "http"]


def test_a_forged_address_does_not_pass_the_list() -> None:
    with behind("192.0.2.8", trusted_proxies=["10.0.0.0/8"], allow_ips=["10.0.0.0/8"]) as client:
        assert client.get("/v1/me", headers={"X-Forwarded-For": "10.1.1.1"}).status_code == 403
    with behind(PROXY, trusted_proxies=["10.0.0.0/8"], allow_ips=["192.0.2.0/24"]) as client:
        assert client.get("/v1/me", headers={"X-Forwarded-For": "192.0.2.8"}).status_code == 200
        for forged in ("192.0.2.8, 198.51.100.1", "nonsense", "192.0.2.8;", ""):
            assert client.get("/v1/me", headers={"X-Forwarded-For": forged}).status_code == 403


def test_guesses_through_a_proxy_count_for_who_makes_them() -> None:
    with behind(PROXY, trusted_proxies=[PROXY], token=TOKEN) as client:

        def guess(address: str) -> int:
            headers = {"X-Forwarded-For": address, "Authorization": "Bearer wrong"}
            return int(client.get("/v1/me", headers=headers).status_code)

        assert [guess("192.0.2.7") for _ in range(12)][-1] == 429
        assert guess("192.0.2.8") == 401


def test_under_tls_the_session_is_sent_over_tls_only() -> None:
    with behind(PROXY, trusted_proxies=[PROXY], token=TOKEN) as client:
        answer = client.post(
            "/sign-in", data={"key": TOKEN}, headers={"X-Forwarded-Proto": "https"}, follow_redirects=False
        )
        assert "Secure" in answer.headers["set-cookie"]


def certificate(folder: Path, name: str = "cert") -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emotrace test")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, private


def test_it_is_encrypted_with_a_certificate(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(cert))
    with live(tls_cert=cert, tls_key=key) as url:
        https = url.replace("http://", "https://")
        answer = httpx2.get(f"{https}/v1/health", verify=trust)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"]
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{https}/v1/health")  # nobody vouches for it
        with pytest.raises(httpx2.RemoteProtocolError):
            httpx2.get(f"{url}/v1/health")


def test_files_of_tls_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    _, other = certificate(tmp_path, "other")
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    for wrong in (
        {"tls_cert": cert},
        {"tls_key": key},
        {"tls_cert": cert, "tls_key": other},
        {"tls_cert": missing, "tls_key": key},
        {"tls_cert": empty, "tls_key": key},
        {"tls_cert": key, "tls_key": cert},
    ):
        with pytest.raises(OptionError, match=r"tls_cert and tls_key|cannot be used"):
            tls_of(Settings.of(**wrong))
    assert set(tls_of(Settings.of(tls_cert=cert, tls_key=key))) == {"ssl_certfile", "ssl_keyfile"}
    assert tls_of(Settings()) == {}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"allow_ips": ["10.0.0.0/33"]}, "'10.0.0.0/33' is no network"),
        ({"allow_ips": ["localhost"]}, "'localhost' is no network"),
        ({"trusted_proxies": ["*"]}, r"'\*' is no network"),
        ({"cors_origins": ["*"]}, r"'\*' is no origin"),
        ({"cors_origins": ["https://a.example/"]}, "is no origin"),
        ({"session_secret": "short"}, "session_secret has 5 characters"),
    ],
)
def test_settings_that_would_open_too_much_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Settings.of(**values)
