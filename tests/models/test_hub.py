"""Downloads from both hubs, with huggingface_hub's real client against a stand-in on this machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from emotrace.errors import DownloadError, ModelNotFoundError, OptionError, OutputError
from emotrace.models import hub_huggingface, hub_modelscope
from emotrace.models.catalogue import CATALOGUE, published
from emotrace.models.hub import Checkpoint, OnProgress, partial
from tests.models.hub_server import COMMIT, Hub, point_to, serving, use

pytest.importorskip("huggingface_hub")

CHUNK = 64 << 10
WEIGHTS = random.Random(1).randbytes(400_000)
FILES = {
    ".gitattributes": b"*.pt filter=lfs",
    "README.md": b"# emotion2vec+",
    "config.yaml": b"model: Emotion2vec\n",
    "example/test.wav": random.Random(2).randbytes(3000),
    "model.pt": WEIGHTS,
    "other.bin": bytes(5000),
    "tokens.txt": b"<unk>",
}
TAKEN = ["config.yaml", "example/test.wav", "model.pt", "tokens.txt"]


class Place(NamedTuple):
    """A hub that is under test."""

    module: ModuleType
    repository: str
    branch: str

    def download(self, revision: str | None = None, on_progress: OnProgress | None = None) -> Checkpoint:
        snapshot = self.module.look(self.repository, revision)
        checkpoint = self.module.download(snapshot, on_progress)
        assert isinstance(checkpoint, Checkpoint)
        return checkpoint

    def target(self, path: str = "model.pt") -> Path:
        """Where a file is put when it is complete."""
        snapshot = self.module.look(self.repository, None)
        file = next(f for f in snapshot.files if f.path == path)
        if self.module is hub_huggingface:
            return Path(hub_huggingface._blob(snapshot, file))
        return Path(hub_modelscope._downloads(snapshot) / path)


PLACES = {
    "huggingface": Place(hub_huggingface, "emotion2vec/emotion2vec_plus_large", "main"),
    "modelscope": Place(hub_modelscope, "iic/emotion2vec_plus_large", "master"),
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, and a machine where nothing was downloaded."""
    with serving(dict(FILES)) as hub:
        use(hub, tmp_path, monkeypatch)
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", CHUNK)
        yield hub


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    return PLACES[request.param]


def left(folder: Path) -> list[str]:
    """Files with content below a folder, but the locks and a note of the cache."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock" and p.name != "CACHEDIR.TAG")
    return sorted(str(p.relative_to(folder)) for p in found if p.parent.name != "refs")


def same(checkpoint: Checkpoint) -> bool:
    return all((checkpoint.folder / path).read_bytes() == FILES[path] for path in TAKEN)


def test_the_files_of_a_checkpoint_and_no_others(hub: Hub, place: Place) -> None:
    checkpoint = place.download()
    assert same(checkpoint)
    assert left(checkpoint.folder) == TAKEN
    assert not any("README" in asked.path or "other.bin" in asked.path for asked in hub.log)


def test_the_branch_becomes_a_commit_before_anything_is_downloaded(hub: Hub, place: Place) -> None:
    snapshot = place.download().snapshot
    assert (snapshot.asked, snapshot.commit) == (place.branch, COMMIT)
    files = [asked.path for asked in hub.log if "resolve" in asked.path or "FilePath" in asked.path]
    assert files
    assert all(COMMIT in path for path in files)


def test_a_revision_can_be_asked_for(hub: Hub, place: Place) -> None:
    hub.branches = ("v2.0.4",)
    assert place.download("v2.0.4").snapshot.commit == COMMIT
    assert place.download(COMMIT).snapshot.asked == COMMIT


def test_the_second_time_nothing_is_downloaded(hub: Hub, place: Place, tmp_path: Path) -> None:
    snapshot = place.module.look(place.repository, None)
    assert place.module.missing_bytes(snapshot)[0] == sum(len(FILES[path]) for path in TAKEN)
    place.download()
    assert place.module.missing_bytes(snapshot)[0] == 0
    hub.log.clear()
    assert same(place.download())
    assert len(hub.log) == 1  # the look


def test_progress_tells_every_byte(hub: Hub, place: Place) -> None:
    seen: list[tuple[str, float, float]] = []
    place.download(on_progress=lambda *step: seen.append(step))
    weights = [(done, total) for step, done, total in seen if step == "download model.pt"]
    assert weights == sorted(weights)
    assert weights[:1] + weights[-1:] == [(0, len(WEIGHTS)), (len(WEIGHTS), len(WEIGHTS))]
    assert ("check model.pt", len(WEIGHTS), len(WEIGHTS)) in seen


def test_the_token_goes_to_the_hub_and_to_nobody_else(hub: Hub) -> None:
    PLACES["huggingface"].download()
    tokens = {(asked.path.split("/")[1], asked.token) for asked in hub.log}
    assert tokens >= {("emotion2vec", "Bearer hf_secret"), ("cdn", None)}
    assert ("cdn", "Bearer hf_secret") not in tokens
    hub.log.clear()
    PLACES["modelscope"].download()
    assert {asked.token for asked in hub.log} == {None}


def test_a_cut_connection_goes_on_where_it_stopped(
    hub: Hub, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    hub.cuts["model.pt"] = [200_000, 300_000]
    assert same(place.download())
    first, second = 200_000 // CHUNK * CHUNK, 300_000 // CHUNK * CHUNK
    second = first + (300_000 - first) // CHUNK * CHUNK
    assert hub.ranges("model.pt") == [None, f"bytes={first}-", f"bytes={second}-"]
    assert caplog.messages == []


def test_the_next_attempt_goes_on_where_the_last_one_stopped(hub: Hub, place: Place) -> None:
    hub.cuts["model.pt"] = [200_000]
    hub.errors["/cdn/"] = [0, 503]
    with pytest.raises(DownloadError, match=r"answered 503 .*; try again later, which goes on"):
        place.download()
    kept = 200_000 // CHUNK * CHUNK
    assert partial(place.target()).stat().st_size == kept
    assert not place.target().exists()
    snapshot = place.module.look(place.repository, None)
    assert place.module.missing_bytes(snapshot)[0] == sum(len(FILES[path]) for path in TAKEN) - kept
    hub.log.clear()
    assert same(place.download())
    assert hub.ranges("model.pt") == [f"bytes={kept}-"]


def test_a_hub_that_cannot_begin_in_the_middle(hub: Hub, place: Place) -> None:
    hub.cuts["model.pt"] = [200_000]
    hub.ranged = False
    assert same(place.download())


@pytest.mark.parametrize("path", ["model.pt", "config.yaml"])
def test_a_wrong_checksum_is_refused_and_nothing_is_kept(
    hub: Hub, place: Place, tmp_path: Path, path: str
) -> None:
    hub.lies[path] = FILES[path][:-1] + b"!"
    with pytest.raises(DownloadError, match=rf"^{path} is not the file that the hub lists .* was removed"):
        place.download()
    assert not any(path in name for name in left(tmp_path))
    assert not place.target(path).exists()
    assert not partial(place.target(path)).exists()
    hub.lies.clear()
    assert same(place.download())


@pytest.mark.parametrize("content", [WEIGHTS[:-1000], WEIGHTS + bytes(1000)], ids=["shorter", "longer"])
def test_another_length_is_refused_and_nothing_is_kept(hub: Hub, place: Place, content: bytes) -> None:
    hub.lies["model.pt"] = content
    with pytest.raises(DownloadError):
        place.download()
    assert not place.target().exists()
    assert not partial(place.target()).exists()
    hub.lies.clear()
    assert same(place.download())


def test_a_damaged_copy_in_the_cache_is_refused_and_removed(hub: Hub, place: Place) -> None:
    copy = place.download().folder / "model.pt"
    content = bytearray(WEIGHTS)
    content[1000] ^= 1
    copy.resolve().write_bytes(content)
    with pytest.raises(DownloadError, match="is not the file that the hub lists"):
        place.download()
    assert not copy.exists()
    assert same(place.download())


def test_a_full_disk_is_one_sentence_and_leaves_nothing(hub: Hub, place: Place, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    part = partial(place.target())
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"the disk is full .* HF_HOME and EMOTRACE_HOME"):
        place.download()
    assert not part.is_symlink()
    assert same(place.download())


def test_a_folder_that_cannot_be_written(hub: Hub, place: Place) -> None:
    part = partial(place.target())
    part.mkdir(parents=True)
    with pytest.raises(OutputError, match=r"cannot be written to .*: is a directory"):
        place.download()


def test_two_at_once_download_once(hub: Hub, place: Place) -> None:
    hub.delay = 0.02
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: place.download(), range(2)))
    assert all(same(checkpoint) for checkpoint in both)
    assert len(hub.ranges("model.pt")) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_an_answer_that_is_an_error(hub: Hub, place: Place, status: int) -> None:
    hub.errors["/api/"] = [status] * 9
    with pytest.raises(DownloadError, match=str(status) if status != 401 else "401|does not exist") as error:
        place.module.look(place.repository, None)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("revision", ["nope", "f" * 40])
def test_a_revision_that_is_not_there(hub: Hub, place: Place, revision: str) -> None:
    with pytest.raises(DownloadError, match=f"has no revision '{revision}'; leave --revision out"):
        place.module.look(place.repository, revision)


def test_a_repository_that_is_not_there(hub: Hub, place: Place) -> None:
    with pytest.raises(DownloadError, match=r"does not exist|is not there"):
        place.module.look(place.repository + "x", None)


def test_terms_that_have_to_be_accepted(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated = True
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(DownloadError, match=r"wants its terms to be accepted first; .* HF_TOKEN"):
        PLACES["huggingface"].download()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert same(PLACES["huggingface"].download())


def test_a_repository_without_a_checkpoint(hub: Hub, place: Place) -> None:
    del hub.files["tokens.txt"]
    with pytest.raises(DownloadError, match=r"has no tokens\.txt; expected a published emotion2vec"):
        place.module.look(place.repository, None)


def test_no_network(hub: Hub, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = "http://127.0.0.1:9"
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", nobody)
    monkeypatch.setenv("HF_ENDPOINT", "http://user:secret@127.0.0.1:9")
    point_to(nobody, monkeypatch)
    with pytest.raises(
        DownloadError, match=r"cannot be downloaded \(.*127\.0\.0\.1:9'\); check the net"
    ) as told:
        place.module.look(place.repository, None)
    assert "secret" not in str(told.value)


def test_an_answer_that_does_not_come(hub: Hub, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.module, "SECONDS", 0.05)
    hub.delay = 0.4
    with pytest.raises(DownloadError, match=r"cannot be downloaded \(.*tim"):
        place.module.look(place.repository, None)


def test_a_page_that_is_no_hub(hub: Hub, place: Place) -> None:
    hub.errors["/api/"] = [200]
    with pytest.raises(DownloadError):
        place.module.look(place.repository, None)


def test_offline_what_is_in_the_cache_is_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    place = PLACES["huggingface"]
    online = place.download()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.log.clear()
    offline = place.download()
    assert (offline.folder, offline.snapshot.commit) == (online.folder, COMMIT)
    assert place.download(COMMIT).folder == online.folder
    assert hub.log == []
    (online.folder / "tokens.txt").resolve().write_bytes(b"<unK>")
    with pytest.raises(DownloadError, match="is not the file"):
        place.download()


def test_offline_without_a_copy(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=r"offline mode is on \(HF_HUB_OFFLINE\)"):
        PLACES["huggingface"].download()
    with pytest.raises(DownloadError, match="was asked for in offline mode"):
        PLACES["modelscope"].download()
    assert hub.log == []


def test_what_the_library_itself_downloaded_is_used(hub: Hub) -> None:
    from huggingface_hub import snapshot_download

    place = PLACES["huggingface"]
    snapshot_download(place.repository)
    hub.log.clear()
    assert same(place.download())
    assert len(hub.log) == 1


@pytest.mark.parametrize(
    "folder",
    [
        ".cache/modelscope/hub/models/iic/emotion2vec_plus_large",
        ".cache/modelscope/hub/iic/emotion2vec_plus_large",
        ".cache/modelscope/models/iic--emotion2vec_plus_large/snapshots/master",
    ],
)
def test_what_modelscope_or_funasr_downloaded_is_used(hub: Hub, tmp_path: Path, folder: str) -> None:
    place = PLACES["modelscope"]
    for path in ("model.pt", "config.yaml", "tokens.txt"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / path).write_bytes(FILES[path])
    assert place.module.missing_bytes(place.module.look(place.repository, None))[0] == 0
    hub.log.clear()
    checkpoint = place.download()
    assert (checkpoint.folder, checkpoint.keep) == (tmp_path / folder, True)
    assert len(hub.log) == 1
    (tmp_path / folder / "model.pt").write_bytes(bytes(len(WEIGHTS)))  # an older one
    checkpoint = place.download()
    assert not checkpoint.keep
    assert same(checkpoint)
    assert (tmp_path / folder / "model.pt").exists()


def test_a_hub_without_commits_is_held_to_its_checksums(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.models.hub_server.COMMIT", "unknown")
    snapshot = PLACES["modelscope"].module.look("iic/emotion2vec_plus_large", None)
    assert (snapshot.commit, snapshot.revision) == (None, "master")


def test_every_known_checkpoint_has_a_hub() -> None:
    for row in CATALOGUE.values():
        assert row.hub() in row.repositories
        assert all(repository.endswith(row.name) for repository in row.repositories.values())
    assert published("emotion2vec_plus_large").hub("modelscope") == "modelscope"
    with pytest.raises(ModelNotFoundError, match="not known to be on huggingface; take it from modelscope"):
        published("emotion2vec_base_finetuned").hub("huggingface")
    with pytest.raises(OptionError, match="hub is 'github'; expected one of auto, huggingface, modelscope"):
        published("emotion2vec_plus_base").hub("github")
    with pytest.raises(ModelNotFoundError, match="expected one of emotion2vec_plus_large, "):
        published("emotion2vec")


@pytest.mark.parametrize("revision", ["../../x", "/tmp/x", "..", "refs/../../../x"])
def test_a_revision_is_no_path_on_this_machine(
    hub: Hub, place: Place, tmp_path: Path, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = replace(place.module.look(place.repository, None), asked=revision)
    if place.module is hub_modelscope:
        snapshot = replace(snapshot, commit=None)
        hub.branches = (revision,)
    place.module.download(snapshot)
    assert sorted(p.name for p in tmp_path.iterdir()) in (["hub"], ["emotrace"])
    assert not Path("/tmp/x").exists()


def test_a_commit_that_is_none_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.models.hub_server.COMMIT", "../../x")
    with pytest.raises(DownloadError, match="tells no commit"):
        PLACES["huggingface"].module.look("emotion2vec/emotion2vec_plus_large", None)
