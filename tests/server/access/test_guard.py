from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocket

from emotrace.server.access.authentication import digest_of, new_key
from emotrace.server.access.callers import LOCAL, SCOPES, caller_of, require
from emotrace.server.problems import RequestError
from tests.server.served import ON, TOKEN, app_of, client_of


@contextmanager
def asked(folder: Path, **settings: Any) -> Iterator[tuple[TestClient, Any]]:
    """A client of a service with keys, and what makes one."""
    app = app_of(data_dir=folder, **settings)

    @app.get("/who")
    async def who(request: Request) -> Any:
        return caller_of(request).key

    @app.post("/who")
    async def whose(request: Request) -> Any:
        return require(request, "history").name

    @app.websocket("/v1/who")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(caller_of(socket).key)

    app.router.routes.insert(0, app.router.routes.pop())
    keys = app.state.service.open().keys

    def make(name: str = "phone", scopes: Any = ("recognize",), **options: Any) -> str:
        identifier, key = new_key()
        keys.add(identifier, name, digest_of(key), scopes, **options)
        return key

    if "token" not in settings:
        make("first")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client, make


def on(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def handshake(client: TestClient, path: str, headers: dict[str, str]) -> int:
    """The status of a WebSocket that is refused."""
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(path, headers=headers):
        pass
    assert refused.value.headers["content-type"] == "application/problem+json"
    return refused.value.status_code


def signed_in(client: TestClient, key: str) -> dict[str, str]:
    answer = client.post("/sign-in", data={"key": key}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"].partition(";")[0]
    client.cookies.clear()
    return {"Cookie": cookie}


def test_without_the_right_token_nothing_is_answered() -> None:
    with client_of(token=TOKEN, host="0.0.0.0") as client:
        wrong: list[dict[str, str]] = [
            {},
            {"Authorization": "Bearer wrong-horse-battery"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer "},
            {"Authorization": TOKEN},
            {"Cookie": f"emotrace={TOKEN}"},
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
        assert document["paths"]["/v1/models"]["get"]["security"] == [{"key": []}]
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
        assert handshake(client, "/v1/stream", {"Host": "127.0.0.1", **headers}) == status


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST"])
def test_this_machine_may_be_called_by_any_of_its_names(host: str) -> None:
    with client_of() as client:
        answer = client.get("/v1/health", headers={"Host": host, "Origin": f"http://{host}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("host", "status"), [("192.168.1.9:7860", 200), ("rebound.example", 421), ("localhost", 200)]
)
def test_an_insecure_service_is_asked_by_its_address(host: str, status: int) -> None:
    with client_of(host="0.0.0.0", insecure=True) as client:
        assert client.get("/v1/health", headers={"Host": host}).status_code == status


def test_every_answer_has_careful_headers() -> None:
    with client_of() as client:
        for path in ("/v1/health", "/nothing"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "microphone=(self)" in headers["permissions-policy"]
            assert "access-control-allow-origin" not in headers
            assert "strict-transport-security" not in headers


def test_the_caller_is_known_to_the_routes(tmp_path: Path) -> None:
    with asked(tmp_path) as (client, make):
        one, two = make("one"), make("two", ["history"])
        assert client.get("/who", headers=on(one)).json() == one.split("_")[1]
        assert client.post("/who", headers=on(two)).json() == "two"
        refused = client.post("/who", headers=on(one))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "'history'" in refused.json()["detail"]
        with client.websocket_connect("/v1/who", headers=on(one)) as socket:
            assert socket.receive_text() == one.split("_")[1]


def test_without_authentication_everybody_here_may_do_everything() -> None:
    assert LOCAL.scopes == set(SCOPES)
    assert LOCAL.admin
    with client_of() as client:
        assert client.post("/v1/models/compact/unload").status_code == 200


def test_without_a_guard_nobody_is_let_in() -> None:
    with pytest.raises(RequestError) as caught:
        caller_of(Request({"type": "http", "headers": []}))
    assert caught.value.code == "unauthorized"


def test_a_person_signs_in_and_out(tmp_path: Path) -> None:
    page = {"Accept": "text/html,*/*", "Accept-Language": "zh-CN,zh;q=0.9"}
    with asked(tmp_path) as (client, make):
        key = make("person", ["history"])
        sent = client.get("/who", headers=page, follow_redirects=False)
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/who")
        shown = client.get(sent.headers["location"], headers=page)
        assert "登录" in shown.text
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert "http://" not in shown.text.replace("http-equiv", "")
        english = client.get("/sign-in?lang=en", headers=page).text
        assert "Sign in" in english
        wrong = client.post("/sign-in?lang=en&next=/who", data={"key": "emo_no"}, headers=page)
        assert wrong.status_code == 401
        assert "revoked" in wrong.text
        assert "emo_no" not in wrong.text
        assert "set-cookie" not in wrong.headers
        right = client.post("/sign-in?next=/who", data={"key": f" {key} "}, follow_redirects=False)
        assert (right.status_code, right.headers["location"]) == (303, "/who")
        cookie = right.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "max-age=43200", "path=/"))
        assert "secure" not in cookie
        assert key not in cookie
        assert client.get("/who").json() == key.split("_")[1]
        known = client.get("/sign-in", headers=page).text
        assert "已登录：person" in known
        assert 'action="/sign-out' in known
        left = client.post("/sign-out", headers={"Origin": "http://127.0.0.1"}, follow_redirects=False)
        assert left.headers["location"] == "/sign-in"
        assert client.get("/who").status_code == 401
        stolen = right.headers["set-cookie"].partition(";")[0]
        assert client.get("/who", headers={"Cookie": stolen}).status_code == 401


@pytest.mark.parametrize(
    ("asked_for", "gone"),
    [
        ("/history?x=1", "/history?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("/sign-in", "/"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(asked_for: str, gone: str) -> None:
    with client_of(token=TOKEN) as client:
        answer = client.post(
            "/sign-in", params={"next": asked_for}, data={"key": TOKEN}, follow_redirects=False
        )
        assert answer.headers["location"] == gone


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"", 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"name=x", 400),
        ({"Content-Type": "application/json"}, b"{}", 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"key=" + b"x" * 9000, 413),
        ({"Content-Type": "multipart/form-data; boundary=edge"}, b"--edge", 400),
        ({"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "-1"}, b"key=x", 413),
    ],
)
def test_an_odd_form_is_refused(headers: dict[str, str], body: bytes, status: int) -> None:
    with client_of(token=TOKEN) as client:
        assert client.post("/sign-in", content=body, headers=headers).status_code == status


def test_signing_in_is_slowed() -> None:
    with client_of(token=TOKEN) as client:
        answers = [client.post("/sign-in", data={"key": f"guess-{i}"}) for i in range(12)]
        assert [answer.status_code for answer in answers[-2:]] == [429, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "Try again" in answers[-1].text
        assert client.get("/v1/models", headers=ON).status_code == 200


def test_where_nothing_is_asked_there_is_no_sign_in() -> None:
    with client_of() as client:
        assert client.get("/sign-in", follow_redirects=False).headers["location"] == "/"


def test_a_session_is_for_pages_of_this_service_only(tmp_path: Path) -> None:
    with asked(tmp_path) as (client, make):
        cookie = signed_in(client, make("person", ["history"]))
        own = {**cookie, "Origin": "http://127.0.0.1"}
        assert client.get("/who", headers=cookie).status_code == 200
        assert client.post("/who", headers=own).status_code == 200
        assert client.post("/who", headers=cookie).status_code == 401
        assert client.post("/who", headers={**cookie, "Origin": "http://evil.example"}).status_code == 403
        here = {"Host": "127.0.0.1"}
        with client.websocket_connect("/v1/who", headers={**here, **own}) as socket:
            assert len(socket.receive_text()) == 12
        assert handshake(client, "/v1/who", {**here, **cookie}) == 401
        assert handshake(client, "/v1/who", {**here, **cookie, "Origin": "http://evil.example"}) == 403
        assert handshake(client, "/v1/who", here) == 401


def test_requests_a_minute_are_limited_for_each_key(tmp_path: Path) -> None:
    with asked(tmp_path, rate_per_minute=3) as (client, make):
        few, many, other = make("few", rate_per_minute=2), make("many", rate_per_minute=0), make("other")
        assert [client.get("/v1/models", headers=on(few)).status_code for _ in range(3)] == [200, 200, 429]
        assert [client.get("/v1/models", headers=on(other)).status_code for _ in range(4)][2:] == [200, 429]
        assert {client.get("/v1/models", headers=on(many)).status_code for _ in range(9)} == {200}
        slow = client.get("/v1/models", headers=on(few))
        assert slow.json()["code"] == "rate"
        assert 0 < int(slow.headers["retry-after"]) <= 30
        assert client.get("/v1/health").status_code == 200
        assert client.get("/who", headers=on(few)).status_code == 200  # a page is many requests


def test_requests_at_a_time_are_limited_for_each_key(tmp_path: Path) -> None:
    begun, let = threading.Semaphore(0), threading.Event()
    app = app_of(data_dir=tmp_path, token=TOKEN, concurrency=2)

    @app.get("/v1/slow")
    def slow() -> str:
        begun.release()
        assert let.wait(30)
        return "done"

    with TestClient(app, base_url="http://127.0.0.1") as client:
        threads = [threading.Thread(target=client.get, args=("/v1/slow",), kwargs={"headers": ON})] * 1
        threads += [threading.Thread(target=client.get, args=("/v1/slow",), kwargs={"headers": ON})]
        for thread in threads:
            thread.start()
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        busy = client.get("/v1/models", headers=ON)
        assert (busy.status_code, busy.json()["code"]) == (429, "busy")
        assert busy.headers["retry-after"]
        let.set()
        for thread in threads:
            thread.join(30)
        assert client.get("/v1/models", headers=ON).status_code == 200


def test_without_keys_limits_are_for_each_address() -> None:
    with client_of(rate_per_minute=2, trusted_proxies=["10.0.0.1"]) as client:
        assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/v1/health").status_code == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("11.1.2.3", 403), ("testclient", 403)],
)
def test_only_addresses_on_the_list_are_answered(address: str, status: int) -> None:
    app = app_of(allow_ips=["10.0.0.0/8", "2001:db8::/32"])
    with TestClient(app, base_url="http://127.0.0.1", client=(address, 50000)) as client:
        for path in ("/v1/models", "/v1/health"):
            answer = client.get(path)
            assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "forbidden"


def test_other_origins_may_ask_only_if_they_are_named() -> None:
    page = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    with client_of(token=TOKEN) as client:
        assert client.options("/v1/models", headers=page).status_code == 403
    with client_of(token=TOKEN, cors_origins=["https://page.example"]) as client:
        before = client.options(
            "/v1/models", headers={**page, "Access-Control-Request-Headers": "authorization"}
        )
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == "https://page.example"
        answer = client.get("/v1/models", headers={**ON, "Origin": "https://page.example"})
        assert answer.headers["access-control-allow-origin"] == "https://page.example"
        assert "access-control-allow-credentials" not in answer.headers
        for other in ("https://page.example.evil", "http://page.example", "null"):
            answer = client.get("/v1/models", headers={**ON, "Origin": other})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
