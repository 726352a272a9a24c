from __future__ import annotations

from typing import Any

import pytest

from tests.server.served import ON, TOKEN, client_of


def test_without_the_right_token_nothing_is_answered() -> None:
    with client_of(token=TOKEN, host="0.0.0.0") as client:
        wrong: list[dict[str, str]] = [
            {},
            {"Authorization": "Bearer wrong-horse-battery"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer "},
            {"Authorization": TOKEN},
        ]
        for headers in wrong:
            for method, path in (("POST", "/v1/recognitions"), ("GET", "/v1/models"), ("GET", "/nothing")):
                answer = client.request(method, path, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert TOKEN not in answer.text
        assert client.get("/v1/models", headers=ON).status_code == 200
        assert client.get("/v1/health").status_code == 200
        assert client.get("/v1/ready").status_code == 200
        document: dict[str, Any] = client.get("/v1/openapi.json", headers=ON).json()
        assert document["paths"]["/v1/models"]["get"]["security"] == [{"token": []}]
        assert "security" not in document["paths"]["/v1/health"]["get"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "evil.example"}, 421, "wrong-host"),
        ({"Host": "127.0.0.1.evil.example:7860"}, 421, "wrong-host"),
        ({"Host": "[::1"}, 421, "wrong-host"),
        ({"Host": ""}, 421, "wrong-host"),
        ({"Origin": "https://evil.example"}, 403, "cross-origin"),
        ({"Origin": "null"}, 403, "cross-origin"),
        ({"Origin": "http://127.0.0.1:8000"}, 403, "cross-origin"),
    ],
)
def test_pages_of_other_sites_are_refused(headers: dict[str, str], status: int, code: str) -> None:
    with client_of() as client:
        answer = client.post("/v1/models/compact/unload", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST"])
def test_this_machine_may_be_called_by_any_of_its_names(host: str) -> None:
    with client_of() as client:
        answer = client.get("/v1/health", headers={"Host": host, "Origin": f"http://{host}"})
        assert answer.status_code == 200


def test_every_answer_has_careful_headers() -> None:
    with client_of() as client:
        for path in ("/v1/health", "/nothing"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "access-control-allow-origin" not in headers
