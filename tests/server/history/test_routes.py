"""What was recognised stays, for who asked: lists, files, feedback, review, deletion, audit; and trouble."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from emotrace.outputs.picture import check_picture
from emotrace.server.access.authentication import digest_of, new_key
from emotrace.server.history.schemas import AuditList, FeedbackList, KeptList, KeptRecognition
from emotrace.server.schemas import Recognition
from emotrace.store import Store
from tests.postgres import Postgres, running
from tests.server.served import client_of, tone

NOBODYS = "0" * 32


@dataclass
class Asker:
    """One who asks."""

    client: TestClient
    headers: dict[str, str]

    def recognise(self, level: float = 0.375, name: str = "talk.wav", **fields: str) -> Any:
        """Send a tone."""
        files = {"audio": (name, tone(level))}
        data = {"checks": "false", **fields}
        return self.client.post("/v1/recognitions", files=files, data=data, headers=self.headers)

    def kept(self, level: float = 0.375, name: str = "talk.wav", **fields: str) -> str:
        """Send a tone; its id."""
        answer = self.recognise(level, name, **fields)
        assert answer.status_code == 200, answer.text
        made: str = answer.json()["id"]
        return made

    def get(self, path: str, **query: str) -> Any:
        """Look."""
        return self.client.get(f"/v1{path}", params=query, headers=self.headers)

    def post(self, path: str, body: Any) -> Any:
        """Send JSON."""
        return self.client.post(f"/v1{path}", json=body, headers=self.headers)

    def delete(self, path: str) -> Any:
        """Delete."""
        return self.client.delete(f"/v1{path}", headers=self.headers)

    def ids(self, **query: str) -> list[str]:
        """The first page."""
        page = KeptList.model_validate_json(self.get("/recognitions", **query).content)
        return [row.id for row in page.recognitions]


def store_of(client: TestClient) -> Store:
    """What the service keeps."""
    store: Store = client.app.state.service.store  # type: ignore[attr-defined]
    return store


def with_key(client: TestClient, name: str, *scopes: str) -> Asker:
    """Somebody with a new key."""
    id, key = new_key()  # noqa: A001
    store_of(client).keys.add(id, name, digest_of(key), scopes or {"recognize", "history"})
    return Asker(client, {"Authorization": f"Bearer {key}"})


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(data_dir=tmp_path, keep_audio=True) as client:
        yield client


@pytest.fixture
def me(client: TestClient) -> Asker:
    """On loopback, without a key: who sees all."""
    return Asker(client, {})


def code(answer: Any) -> tuple[int, str]:
    """Status and code of a problem."""
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("path", ["/recognitions", "/review", "/audit", "/jobs"])
def test_a_field_of_a_query_comes_once(me: Asker, path: str) -> None:
    answer = me.client.get(f"/v1{path}?limit=1&limit=2")
    assert code(answer) == (422, "option")
    assert answer.json()["detail"] == "the field 'limit' came twice; give it once"


def test_a_recognition_is_kept_as_it_was_answered(me: Asker) -> None:
    answer = me.recognise(granularity="frame", embedding="true")
    given = answer.json()
    Recognition.model_validate_json(answer.content)
    assert answer.headers["x-recognition-id"] == given["id"] and "not_kept" not in given
    kept = me.get(f"/recognitions/{given['id']}")
    record = kept.json()
    KeptRecognition.model_validate_json(kept.content)
    embedding = given.pop("embedding")
    assert {name: record[name] for name in given} == given
    assert (record["owner"], record["has_audio"], record["feedback"]) == ("local", True, [])
    assert record["options"] == {"checks": "false", "granularity": "frame", "embedding": "true"}
    file = me.get(f"/recognitions/{given['id']}/embedding.npy")
    assert file.headers["content-type"] == "application/x-npy"
    np.testing.assert_allclose(np.load(io.BytesIO(file.content)), np.float32(embedding))
    sound = me.get(f"/recognitions/{given['id']}/audio")
    assert sound.content == tone(0.375) and sound.headers["content-type"] == "audio/x-wav"
    assert sound.headers["content-disposition"] == 'attachment; filename="talk.wav"'
    part = me.client.get(f"/v1/recognitions/{given['id']}/audio", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")


def test_the_picture_is_that_of_the_recording(me: Asker) -> None:
    check_picture("timeline.png")
    name = me.kept(granularity="frame")
    pictures = [me.get(f"/recognitions/{name}/timeline.png", **query) for query in ({}, {"language": "zh"})]
    for picture in pictures:
        assert picture.status_code == 200 and picture.content.startswith(b"\x89PNG")
    recalled = store_of(me.client).recognitions.recall(name, None)
    assert recalled is not None
    result, outline = recalled
    assert result.track is not None and len(outline.highs) > 100
    assert outline.highs.max() == pytest.approx(0.375, abs=1e-3) == -outline.lows.min()
    assert code(me.get(f"/recognitions/{name}/timeline.png", language="fr")) == (422, "option")


def test_every_way_in_keeps(me: Asker) -> None:
    classic = me.client.post(
        "/api/predict/", files={"audio": ("old.wav", tone(0.75))}, data={"fn_index": "0"}
    )
    frames = me.client.post("/api/predict/", files={"audio": ("old.wav", tone())}, data={"fn_index": "1"})
    table = me.recognise(format="csv")
    ids = [answer.headers["x-recognition-id"] for answer in (table, frames, classic)]
    assert me.ids() == ids
    assert classic.json()["data"][0]["id"] == ids[2]
    assert "frames" in me.get(f"/recognitions/{ids[1]}").json()


def test_what_shall_not_be_kept_is_not(me: Asker, tmp_path: Path) -> None:
    for answer in (me.recognise(store="false"), me.recognise(store="false", format="csv")):
        assert answer.status_code == 200 and "x-recognition-id" not in answer.headers
    assert me.recognise(store="false").json()["id"] is None
    assert code(me.recognise(store="perhaps")) == (422, "option")
    assert me.ids() == []
    with client_of(data_dir=tmp_path / "none", history=False) as client:
        quiet = Asker(client, {})
        assert quiet.recognise().json()["id"] is None
        assert code(quiet.recognise(store="true")) == (422, "option")
        assert quiet.ids() == []
    with client_of(data_dir=tmp_path / "default") as client:
        private = Asker(client, {})
        name = private.kept()
        assert code(private.get(f"/recognitions/{name}/audio")) == (404, "recognition-not-found")
        assert sorted(path.name for path in (tmp_path / "default" / "recognitions").rglob("*.*")) == [
            "embedding.npy",
            "result.json",
            "timeline.npz",
        ]


def test_callers_see_their_own_and_admins_all(me: Asker) -> None:
    ann, bob = with_key(me.client, "ann"), with_key(me.client, "bob")
    boss = with_key(me.client, "boss", "admin")
    one = ann.kept()
    two = bob.kept()
    assert (ann.ids(), bob.ids(), boss.ids()) == ([one], [two], [two, one])
    for path in ("", "/embedding.npy", "/timeline.png", "/audio"):
        foreign, nobodys = ann.get(f"/recognitions/{two}{path}"), ann.get(f"/recognitions/{NOBODYS}{path}")
        assert code(foreign) == (404, "recognition-not-found")
        for answer in (foreign, nobodys):
            assert {**answer.json(), "request": None} == {**nobodys.json(), "request": None}
        assert boss.get(f"/recognitions/{two}{path}").status_code == 200
    for path, body in (("feedback", {"label": "sad"}), ("review", {"reviewed": True})):
        assert code(ann.post(f"/recognitions/{two}/{path}", body)) == (404, "recognition-not-found")
    assert code(ann.delete(f"/recognitions/{two}")) == (404, "recognition-not-found")
    assert [row["id"] for row in ann.get("/review").json()["recognitions"]] == [one]
    assert code(ann.get("/audit")) == (403, "forbidden")
    assert boss.delete(f"/recognitions/{two}").status_code == 204
    only = with_key(me.client, "upload", "recognize")
    only.kept()
    for path in ("/recognitions", f"/recognitions/{one}", "/review"):
        assert code(only.get(path)) == (403, "forbidden")


def test_a_search_goes_by_everything_and_page_by_page(me: Asker) -> None:
    ids = [me.kept(name=f"Talk {n}.wav", level=(n % 3 + 1) / 8) for n in range(5)][::-1]
    assert me.ids() == me.ids(text="TALK") == ids
    assert me.ids(text="talk 3") == [ids[1]]
    assert me.ids(emotion="开心") == me.ids(emotion="Happy") == [ids[2]]
    assert me.ids(since="2026-01-01T00:00:00+02:00", until="2999-01-01") == ids
    assert me.ids(until="2026-01-01") == me.ids(decision="drop", text="nothing") == []
    found: list[str] = []
    query = {"limit": "2"}
    while True:
        page = me.get("/recognitions", **query).json()
        found += [row["id"] for row in page["recognitions"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert found == ids


def test_a_wrong_query_is_told(me: Asker) -> None:
    for name, values in {
        "cursor": ("x", "x" * 600),
        "limit": ("0", "501", "many"),
        "since": ("soon", "0001-01-01T00:00:00+23:59"),
        "until": ("9999-12-31T23:59:59-23:59",),
        "decision": ("odd",),
        "reviewed": ("perhaps",),
        "text": ("x" * 201,),
        "colour": ("red",),
    }.items():
        for value in values:
            assert code(me.get("/recognitions", **{name: value})) == (422, "option")


def test_an_emotion_that_is_none_is_told(me: Asker) -> None:
    assert code(me.get("/recognitions", emotion="cheerful-ish")) == (422, "label")


def test_feedback_stays_and_takes_it_off_the_queue(me: Asker) -> None:
    first, second = me.kept(), me.kept()
    path = f"/recognitions/{first}/feedback"
    assert len(me.get("/review").json()["recognitions"]) == 2
    me.post(path, {"note": "unsure"})
    answer = me.post(path, {"label": "生气", "note": "shouts"})
    said = FeedbackList.model_validate_json(answer.content).feedback
    assert [(row.label, row.note, row.author) for row in said] == [
        (None, "unsure", "local"),
        ("angry", "shouts", "local"),
    ]
    record = me.get(f"/recognitions/{first}").json()
    assert (record["label"], record["note"], record["reviewer"]) == ("angry", "shouts", "local")
    assert record["emotion"] == "happy" and len(record["feedback"]) == 2
    assert me.ids(text="SHOUTS") == me.ids(reviewed="true") == [first]
    assert [row["id"] for row in me.get("/review").json()["recognitions"]] == [second]
    marked = me.post(f"/recognitions/{second}/review", {})
    assert marked.json()["reviewed"] is not None
    assert me.get("/review").json()["recognitions"] == []
    assert me.post(f"/recognitions/{second}/review", {"reviewed": False}).json()["reviewed"] is None


def test_wrong_feedback_is_told(me: Asker) -> None:
    path = f"/recognitions/{me.kept()}/feedback"
    assert code(me.post(path, {})) == (422, "option")
    assert code(me.post(path, {"label": 3})) == (422, "option")
    assert code(me.post(path, {"label": "cheerful-ish"})) == (422, "label")
    assert code(me.post(path, {"mood": "sad"})) == (422, "option")
    assert code(me.post(path, {"note": "x" * 4001})) == (422, "option")
    assert code(me.post(path, {"note": "x" * 70_000})) == (413, "limit")
    assert code(me.post(path, ["sad"])) == (400, "bad-request")
    for content, kind in ((b"{", "application/json"), (b"\xff", "application/json")):
        answer = me.client.post(f"/v1{path}", content=content, headers={"Content-Type": kind})
        assert code(answer) == (400, "bad-request")
    answer = me.client.post(f"/v1{path}", data={"label": "sad"})
    assert code(answer) == (415, "content-type")


def test_a_deletion_takes_everything_and_the_log_tells(me: Asker, tmp_path: Path) -> None:
    name = me.kept()
    me.get(f"/recognitions/{name}")
    me.get(f"/recognitions/{name}/embedding.npy")
    me.get(f"/recognitions/{name}/audio")
    me.post(f"/recognitions/{name}/feedback", {"label": "sad"})
    assert len(list(tmp_path.rglob(f"{name}/*"))) == 4
    answer = me.delete(f"/recognitions/{name}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(tmp_path.rglob(f"{name}*")) == []
    assert code(me.delete(f"/recognitions/{name}")) == (404, "recognition-not-found")
    log = AuditList.model_validate_json(me.get("/audit", subject=name).content)
    assert [entry.action for entry in log.entries] == ["delete", "feedback", "audio", "embedding", "read"]
    assert {entry.actor for entry in log.entries} == {"local"}
    assert me.get("/audit", actor="nobody").json() == {"entries": [], "cursor": None}


def test_files_that_are_gone_are_told(me: Asker, tmp_path: Path) -> None:
    name = me.kept()
    for place in tmp_path.rglob(f"{name}/*"):
        place.unlink()
    for path in ("", "/embedding.npy", "/timeline.png"):
        answer = me.get(f"/recognitions/{name}{path}")
        assert code(answer) == (503, "store") and answer.headers["retry-after"]
        assert str(tmp_path) not in answer.text
    assert code(me.get(f"/recognitions/{name}/audio")) == (404, "recognition-not-found")


def test_a_full_disk_spoils_no_recognition(
    me: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("emotrace.store.files.np.save", full)
        answer = me.recognise()
        record = answer.json()
        assert (answer.status_code, record["emotion"]) == (200, "happy")
        assert (record["id"], record["not_kept"]) == (None, "disk-full")
        assert answer.headers["x-not-kept"] == "disk-full" and "x-recognition-id" not in answer.headers
        classic = me.client.post("/api/predict/", files={"audio": ("a.wav", tone())}, data={"fn_index": "0"})
        assert classic.json()["data"][0]["not_kept"] == "disk-full"
        assert code(me.recognise(store="true")) == (507, "disk-full")
    assert me.ids() == []
    assert [path for path in (tmp_path / "recognitions").rglob("*") if path.is_file()] == []
    name = me.kept()
    assert me.ids() == [name]


HOSTILE = (
    "%00",
    "%ff",
    "a" * 3000,
    "..%2f..%2fetc",
    "%ED%A0%80",
    "%F0%9F%98%80",
    "';DROP TABLE recognitions;--",
)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_id_and_no_query_is_a_fault_of_the_server(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = {} if database == "sqlite" else {"database_url": request.getfixturevalue("postgres_url")}
    with client_of(data_dir=tmp_path, **url) as client:
        name = Asker(client, {}).kept(name="a\x00/../../talk.wav")
        for each in HOSTILE:
            path = f"/v1/recognitions/{each}"
            answers = [client.get(path), client.get(f"{path}/embedding.npy"), client.delete(path)]
            answers += [
                client.post(f"{path}/feedback", json={"note": "\x00"}),
                client.get(f"{path}/timeline.png"),
            ]
            assert {answer.status_code for answer in answers} == {404}
            for query in ("text", "emotion", "since", "cursor", "limit", "reviewed", "actor", "subject"):
                for place in ("recognitions", "review", "audit"):
                    assert client.get(f"/v1/{place}?{query}={each}").status_code in (200, 422)
        for body in (
            '{"note":"\\ud800"}',
            '{"label":"\\ud800"}',
            '{"note":1e999}',
            '{"\\ud800":1}',
            "[" * 9999,
        ):
            answer = client.post(
                f"/v1/recognitions/{name}/feedback",
                content=body,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code in (400, 422)
        assert Asker(client, {}).ids() == [name]


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


def test_a_database_that_is_gone_is_a_503_and_comes_back(own_postgres: Postgres, tmp_path: Path) -> None:
    with client_of(data_dir=tmp_path, database_url=own_postgres.url) as client:
        me = Asker(client, {})
        name = me.kept()
        own_postgres.stop()
        for answer in (
            me.get("/recognitions"),
            me.get(f"/recognitions/{name}"),
            me.delete(f"/recognitions/{name}"),
            me.recognise(store="true"),
        ):
            assert code(answer) == (503, "store") and answer.headers["retry-after"]
            assert "127.0.0.1" not in answer.text and "postgres" not in answer.text.lower()
        answer = me.recognise()
        assert answer.json()["emotion"] == "happy" and answer.json()["not_kept"] == "store"
        own_postgres.start()
        assert me.ids() == [name]
        me.kept()
        assert me.delete(f"/recognitions/{name}").status_code == 204
