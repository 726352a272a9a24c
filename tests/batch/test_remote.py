from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emotrace.audio import Limits
from emotrace.batch import remote, remote_listing, urls
from emotrace.batch.jobs import Job
from emotrace.batch.manifests import jobs_of
from emotrace.batch.runner import run_batch
from emotrace.errors import AudioError, InputError, LimitError, MissingExtraError, ObjectStoreError
from tests.batch.made import batch, clips, engine, found, logged, rows
from tests.batch.stores import BUCKET, SECRET, Misbehaving, moto_server

s3fs = pytest.importorskip("s3fs")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(remote, "PAUSES", (0.0,))
    yield monkeypatch
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def store(server: str, endpoint: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system with an empty bucket."""
    endpoint.setenv("AWS_ENDPOINT_URL", server)
    store = s3fs.S3FileSystem(use_listings_cache=False)
    store.mkdir(BUCKET)
    yield store
    store.rm(BUCKET, recursive=True)


def put(store: Any, folder: Path, prefix: str = "") -> None:
    for path in sorted(folder.glob("*.wav")):
        store.pipe_file(f"{BUCKET}/{prefix}{path.name}", path.read_bytes())


def files(*inputs: str) -> list[str]:
    return [job.file if job.failure is None else job.failure.reason for job in jobs_of(inputs)]


def test_folders_patterns_and_objects(store: Any, tmp_path: Path) -> None:
    wav = (clips(tmp_path / "in", 1) / "c00.wav").read_bytes()
    odd = """a b'"#?声 [1].wav"""
    for name in ("x/1.wav", "x/y/2.MP3", "x/notes.doc", "x/.hidden/3.wav", "z/4.wav", f"odd/{odd}"):
        store.pipe_file(f"{BUCKET}/{name}", wav)
    base = f"s3://{BUCKET}/"
    assert files(base + "x/") == files(base + "x") == [base + "x/1.wav", base + "x/y/2.MP3"]
    assert files(base + "*/*.wav") == [f"{base}odd/{odd}", base + "x/1.wav", base + "z/4.wav"]
    assert files(base + "**/*.wav") == files(base + "*/*.wav")
    assert files(base + "z/4.wav") == [base + "z/4.wav"]
    assert files(f"{base}odd/{odd}") == [f"{base}odd/{odd}"]
    assert len(files(base)) == 4
    [job] = jobs_of([base + "z/4.wav"])
    assert job.state == remote.state(base + "z/4.wav") and (job.state or (0,))[0] == len(wav)
    for nothing in ("nowhere/", "nowhere.wav", "x/*.flac"):
        [reason] = files(base + nothing)
        assert "does not exist" in reason or "holds no audio file" in reason
    [reason] = files("s3://no-such-bucket-at-all/")
    assert "does not exist" in reason


def test_a_folder_of_several_pages(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_listing, "PAGE_KEYS", 2)
    names = [f"{folder}{number}.wav" for folder in ("", "a/", "a/b/", "c/") for number in range(5)]
    for name in names:
        store.pipe_file(f"{BUCKET}/{name}", b"x")
    assert files(f"s3://{BUCKET}/") == [f"s3://{BUCKET}/{name}" for name in names]


def test_a_batch_goes_on_and_does_again_what_changed(store: Any, tmp_path: Path) -> None:
    put(store, clips(tmp_path / "in", 27), "day 1/")
    put(store, clips(tmp_path / "more", 2), "day 2/")
    store.pipe_file(f"{BUCKET}/broken.wav", b"no sound")
    url, out = f"s3://{BUCKET}/", tmp_path / "out"
    inputs, louder = [url], (tmp_path / "in" / "c05.wav").read_bytes()

    def changing() -> Iterator[Job]:
        """Objects of which one goes and one is replaced between listing and reading."""
        yield from jobs_of(inputs)
        store.rm_file(f"{BUCKET}/day 1/c26.wav")
        store.pipe_file(f"{BUCKET}/day 1/c00.wav", louder)

    run_batch(changing(), out, engine())
    day = {Path(row["file"]).name: row for row in rows(out) if "day 1" in row["file"]}
    assert len(rows(out)) == 30 and len(day) == 27
    assert [code for name, code in found(out) if name == "broken.wav"] == ["audio"]
    assert "does not exist" in day["c26.wav"]["error"]["reason"]
    assert day["c00.wav"]["emotion"] == day["c05.wav"]["emotion"] != day["c01.wav"]["emotion"]
    assert sum("error" in row for row in rows(out)) == 2
    assert all(row["file"].startswith(url) for row in rows(out))
    before = logged(out)
    batch(inputs, out)  # nothing new; what went is not given any more
    assert logged(out) == before and len(rows(out)) == 29
    store.pipe_file(f"{BUCKET}/day 2/c00.wav", (tmp_path / "more" / "c01.wav").read_bytes())
    batch(inputs, out)
    assert len(logged(out)) == len(before) + 1
    text = (out / ".batch" / "log.jsonl").read_text()
    assert SECRET not in text + (out / "summary.json").read_text()


def test_lists_and_tables(store: Any, tmp_path: Path) -> None:
    put(store, clips(tmp_path / "in", 2))
    table = f"file,start,end,speaker\ns3://{BUCKET}/c00.wav,0,0.1,anna\ns3://{BUCKET}/c00.wav,0.1,,bert\n"
    (tmp_path / "a.csv").write_text(table)
    batch([tmp_path / "a.csv"], tmp_path / "out")
    assert [row["given"] for row in rows(tmp_path / "out")] == [{"speaker": "anna"}, {"speaker": "bert"}]
    assert [row["duration_seconds"] for row in rows(tmp_path / "out")] == [0.1, 0.1]
    before = logged(tmp_path / "out")
    store.pipe_file(f"{BUCKET}/c00.wav", (tmp_path / "in" / "c01.wav").read_bytes())
    batch([tmp_path / "a.csv"], tmp_path / "out")
    assert len(logged(tmp_path / "out")) == len(before) + 2
    store.pipe_file(f"{BUCKET}/lists/all.csv", b"file\n../c00.wav\nc01.wav\n")
    store.pipe_file(f"{BUCKET}/lists/all.txt", f"c00.wav\ns3://{BUCKET}/c01.wav\n".encode())
    base = f"s3://{BUCKET}/"
    assert files(base + "lists/all.csv") == [base + "lists/../c00.wav", base + "lists/c01.wav"]
    assert files(base + "lists/all.txt") == [base + "lists/c00.wav", base + "c01.wav"]


def test_an_object_that_changes_while_it_is_read(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, clips(tmp_path / "in", 1))
    url = f"s3://{BUCKET}/c00.wav"
    states = iter([(1, 2)])
    monkeypatch.setattr(remote, "state", lambda _url: next(states))
    with pytest.raises(AudioError, match="was changed while it was read"), remote.fetched(url, Limits()):
        pass


def test_no_more_bytes_than_allowed(store: Any, tmp_path: Path) -> None:
    put(store, clips(tmp_path / "in", 1))
    limits = Limits(max_bytes=1000)
    with (
        pytest.raises(LimitError, match="the limit is 1000"),
        remote.fetched(f"s3://{BUCKET}/c00.wav", limits),
    ):
        pass


@pytest.mark.parametrize("first", ["cut", "busy"])
def test_what_passes_by_itself_is_tried_again(
    endpoint: pytest.MonkeyPatch, tmp_path: Path, first: str
) -> None:
    data = bytes(range(256)) * 400
    with Misbehaving(data, lambda number: first if number == 1 else "whole") as bad:
        endpoint.setenv("AWS_ENDPOINT_URL", bad.address)
        with remote.fetched(f"s3://{BUCKET}/a.wav", Limits()) as (file, state):
            assert file.read() == data
        assert bad.gets > 1 and state[0] == len(data)


def test_what_does_not_pass_is_told(endpoint: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Misbehaving(b"x" * 1000, lambda _number: "denied") as bad:
        endpoint.setenv("AWS_ENDPOINT_URL", bad.address)
        out = tmp_path / "out"
        batch([f"s3://{BUCKET}/a.wav"], out)
        [row] = rows(out)
        assert row["error"]["code"] == "audio"
        assert "access denied" in row["error"]["reason"]
    s3fs.S3FileSystem.clear_instance_cache()
    endpoint.setenv("AWS_ENDPOINT_URL", bad.address)  # where nobody listens any more
    told = pytest.raises(ObjectStoreError, match="does not answer as it should")
    with told as error, remote.fetched(f"s3://{BUCKET}/a.wav", Limits()):
        pass
    assert SECRET not in str(error.value)


def test_without_credentials(endpoint: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        endpoint.delenv(name)
    endpoint.setenv("AWS_EC2_METADATA_DISABLED", "true")
    endpoint.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    endpoint.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ObjectStoreError, match="no credentials"), remote.fetched("s3://b/a.wav", Limits()):
        pass


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://user:pw@host/a.wav?sig=1", "'https://***@host/a.wav?***' is a URL that is not opened"),
        ("file:///etc/passwd", "is a URL that is not opened"),
        ("s3://key:secret@bucket/a.wav", "'s3://***@bucket/a.wav' has credentials in it"),
        ("s3:///", "names no bucket"),
    ],
)
def test_urls_that_are_refused(url: str, told: str, tmp_path: Path) -> None:
    for given in (url, str(tmp_path / "a.txt")):
        (tmp_path / "a.txt").write_text(url)
        [job] = jobs_of([given])
        assert job.failure is not None and told in job.failure.reason
        assert "secret" not in json.dumps([job.file, job.failure.reason]) and "sig" not in job.file


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "PACKAGES", {"s3": "emotrace[cloud]"})

    def missing(_name: str, **_options: object) -> None:
        raise ImportError("no s3fs")

    monkeypatch.setattr("fsspec.filesystem", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotrace\[cloud\]'"):
        list(jobs_of(["s3://bucket/a/"]))


def test_a_chain_of_urls_is_no_way_out() -> None:
    with pytest.raises(InputError):
        urls.check_url("simplecache::s3://bucket/a.wav")
    assert urls.is_remote("s3://bucket/x::https://host/a.wav")
