"""Every form in which a recognition is answered, of real speech."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from fastapi.testclient import TestClient

from emotrace.labels import LABELS
from emotrace.outputs.lettering import Lettering
from emotrace.server.renderings import KEPT_NAMES, MEDIA_TYPES, NAMES
from tests.server.served import client_of, speech


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with client_of(load=None) as client:
        yield client


def ask(client: TestClient, **fields: str) -> Any:
    return client.post("/v1/recognitions", files={"audio": ("two words.wav", speech())}, data=fields)


def test_each_has_its_media_type_and_a_name(client: TestClient) -> None:
    json_answer = ask(client)
    assert "content-disposition" not in json_answer.headers
    for name in NAMES:
        answer = ask(client, format=name)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == MEDIA_TYPES[name]
        if name != "json":
            assert answer.headers["content-disposition"].startswith('attachment; filename="')
            assert answer.content != json_answer.content
    assert set(MEDIA_TYPES) == set(NAMES)


def test_those_of_text_tell_the_same_emotion(client: TestClient) -> None:
    emotion = ask(client).json()["emotion"]
    assert emotion in LABELS
    [row] = csv.DictReader(io.StringIO(ask(client, format="csv").text))
    assert (row["emotion"], row["source"]) == (emotion, "two words.wav")
    assert ask(client, format="rttm").text.split()[7] == emotion
    assert f'"{emotion}"' in ask(client, format="textgrid").text
    root = ElementTree.fromstring(ask(client, format="elan").content)
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert emotion in (root.itertext())
    assert ask(client, format="webvtt").text != ask(client, format="webvtt", language="zh").text


def test_a_picture_is_of_the_sound_and_the_language(client: TestClient) -> None:
    english, chinese = (ask(client, format="png", language=name).content for name in ("en", "zh"))
    assert english.startswith(b"\x89PNG")
    assert (english != chinese) == Lettering("zh").chinese  # without a font for it, both are English


def test_a_folder_is_the_classic_one(client: TestClient) -> None:
    answer = ask(client, format="zip", granularity="frame", embedding="true", smooth="hmm")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    folder = archive.namelist()[0].partition("/")[0]
    assert folder.startswith("outputs_")
    names = {name.partition("/")[2] for name in archive.namelist()}
    assert names == {"processed_audio.wav", "result.json", "frames.json", "frames_raw.json", "embedding.npy"}
    assert json.loads(archive.read(f"{folder}/result.json"))["source"] == "two words.wav"
    assert np.load(io.BytesIO(archive.read(f"{folder}/embedding.npy"))).ndim == 2
    whole = zipfile.ZipFile(io.BytesIO(ask(client, format="zip", embedding="true").content))
    assert np.load(io.BytesIO(whole.read(whole.namelist()[0]))).ndim == 1


def test_what_cannot_be_made_is_refused_before_the_work(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = ask(client, format="png")
    assert (answer.status_code, answer.json()["code"]) == (503, "missing-extra")


def test_what_is_kept_has_the_same_forms(client: TestClient) -> None:
    made = ask(client, granularity="segment")
    place = f"/v1/recognitions/{made.json()['id']}"
    for name in KEPT_NAMES:
        answer = client.get(place, params={"format": name})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == MEDIA_TYPES[name]
    rttm = client.get(place, params={"format": "rttm"}).text
    assert rttm == ask(client, granularity="segment", format="rttm").text
    archive = zipfile.ZipFile(io.BytesIO(client.get(place, params={"format": "zip"}).content))
    assert "result.json" in {name.rpartition("/")[2] for name in archive.namelist()}
    refused = client.get(place, params={"format": "bmp"})
    assert (refused.status_code, refused.json()["code"]) == (422, "option")
    assert client.get("/v1/recognitions/" + "0" * 32, params={"format": "zip"}).status_code == 404
