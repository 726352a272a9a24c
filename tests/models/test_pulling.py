"""Pulling: what is decided around the download and the conversion, which have tests of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from emotrace.errors import (
    DownloadError,
    MissingExtraError,
    ModelError,
    ModelNotFoundError,
    OptionError,
    OutputError,
)
from emotrace.models import pulling, registry
from emotrace.models.package import ModelPackage
from emotrace.models.pulling import pull
from tests.models.hub_server import COMMIT, Hub, serving, use
from tests.models.packages import package

pytest.importorskip("huggingface_hub")

LARGE = "emotion2vec_plus_large"
FILES = {"model.pt": bytes(range(256)) * 8, "config.yaml": b"model: Emotion2vec\n", "tokens.txt": b"<unk>"}


class Made(NamedTuple):
    """What the conversion is taken for here."""

    folder: Path
    warnings: tuple[str, ...] = ("a warning",)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(dict(FILES)) as hub:
        use(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replaces the conversion by one that writes a tiny package; the calls so far."""
    calls: list[dict[str, Any]] = []

    def convert(source: Path, name: str, precisions: tuple[str, ...], **options: Any) -> Made:
        content = {path: (source / path).read_bytes() for path in FILES if (source / path).exists()}
        calls.append({"source": source, "name": name, "precisions": precisions, "files": content, **options})
        folder = registry.home() / "models" / name
        origin = options["origin"]
        provenance = {
            "hub": origin.hub,
            "origin": origin.name,
            "revision": origin.revision,
            "checkpoint_sha256": "0" * 64,
            "checkpoint_bytes": 1,
            "converted_with": "a test",
        }
        package(folder, name=name, provenance=provenance)
        return Made(folder)

    monkeypatch.setattr(pulling, "convert", convert)
    return calls


@pytest.mark.parametrize(
    ("hub_name", "origin"),
    [("auto", "huggingface"), ("huggingface", "huggingface"), ("modelscope", "modelscope")],
)
def test_from_the_hub_to_an_installed_model(
    hub: Hub, conversions: list[dict[str, Any]], hub_name: str, origin: str
) -> None:
    pulled = pull(LARGE, hub=hub_name)
    [call] = conversions
    assert call["files"] == FILES
    assert (call["origin"].hub, call["origin"].revision) == (origin, COMMIT)
    assert call["precisions"] == ("fp32", "int8")
    assert registry.find(LARGE).folder == pulled.folder
    assert (pulled.already, pulled.warnings) == (False, ("a warning",))


def test_the_hub_that_has_it(hub: Hub, conversions: list[dict[str, Any]]) -> None:
    hub.names = ("iic/emotion2vec_base_finetuned",)
    pull("emotion2vec_base_finetuned")
    assert conversions[0]["origin"].hub == "modelscope"


@pytest.mark.parametrize("hub_name", ["huggingface", "modelscope"])
def test_without_a_head_the_labels_are_not_taken_along(
    hub: Hub, conversions: list[dict[str, Any]], hub_name: str
) -> None:
    hub.names = ("emotion2vec/emotion2vec_base", "iic/emotion2vec_base")
    pull("emotion2vec_base", hub=hub_name)
    assert set(conversions[0]["files"]) == {"model.pt", "config.yaml"}


def test_the_cache_of_hugging_face_is_left_and_ones_own_downloads_are_not(
    hub: Hub, conversions: list[dict[str, Any]], tmp_path: Path
) -> None:
    kept = pull(LARGE).kept
    assert kept is not None
    assert (kept / "model.pt").read_bytes() == FILES["model.pt"]
    assert pull(LARGE, hub="modelscope", install_as="second").kept is None
    downloads = tmp_path / "emotrace" / "downloads"
    assert [p for p in downloads.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


def test_what_is_installed_is_not_pulled_again(hub: Hub, conversions: list[dict[str, Any]]) -> None:
    pull(LARGE)
    hub.log.clear()
    assert pull(LARGE).already
    assert pull(LARGE, revision=COMMIT[:8]).already
    assert hub.log == []
    assert pull(LARGE, revision="main").already  # the same commit
    with pytest.raises(DownloadError, match="has no revision 'v9'"):
        pull(LARGE, revision="v9")
    assert len(conversions) == 1
    assert not pull(LARGE, force=True).already
    assert len(conversions) == 2


def test_another_revision_does_not_replace_what_is_installed(
    hub: Hub, conversions: list[dict[str, Any]]
) -> None:
    pull(LARGE)
    folder = registry.home() / "models" / LARGE
    shutil.rmtree(folder)
    package(folder, name=LARGE)  # from who knows where
    with pytest.raises(ModelError, match=r"installed from another revision than 'main'; use --force"):
        pull(LARGE, revision="main")
    assert pull(LARGE).already


def test_two_at_once_convert_once(hub: Hub, conversions: list[dict[str, Any]]) -> None:
    hub.delay = 0.02
    steps: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        both = list(
            pool.map(lambda _: pull(LARGE, on_progress=lambda step, *_: steps.append(step)), range(2))
        )
    assert sorted(pulled.already for pulled in both) == [False, True]
    assert len(conversions) == 1
    assert f"wait for another pull of {LARGE}" in steps


def test_a_downloaded_folder_needs_no_hub(
    hub: Hub, conversions: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for path, content in FILES.items():
        (folder / path).write_bytes(content)
    pull(LARGE, source=folder)
    assert hub.log == []
    assert conversions[0]["source"] == folder
    provenance = ModelPackage(registry.home() / "models" / LARGE).card.provenance
    assert provenance is not None
    assert (provenance.hub, provenance.origin) == ("folder", LARGE)
    assert (folder / "model.pt").exists()


def test_too_little_space_is_told_before_anything_is_downloaded(
    hub: Hub, conversions: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage("/")._asdict()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {**real, "free": 1_000_000_000})())
    with pytest.raises(OutputError, match=r"pulling '.*' needs 1\.9 GB, but 1\.0 GB are free in"):
        pull(LARGE)
    monkeypatch.setattr(pulling, "_disk", hash)  # another disk for each
    with pytest.raises(OutputError, match=r"converting '.*' needs 1\.9 GB, .* set EMOTRACE_HOME"):
        pull(LARGE)
    assert len(hub.log) == 2  # the two looks
    assert conversions == []


def test_an_error_of_the_conversion_keeps_the_download(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(*_: object, **__: object) -> Made:
        raise ModelError("no emotion2vec network")

    monkeypatch.setattr(pulling, "convert", convert)
    for place in ("huggingface", "modelscope"):
        with pytest.raises(ModelError, match="no emotion2vec network"):
            pull(LARGE, hub=place)
        hub.log.clear()
        with pytest.raises(ModelError):
            pull(LARGE, hub=place)
        assert len(hub.log) == 1


def test_names_and_hubs_that_are_not_known(hub: Hub) -> None:
    with pytest.raises(
        ModelNotFoundError, match="no model 'nope' is known; expected one of emotion2vec_plus"
    ):
        pull("nope")
    with pytest.raises(OptionError, match="hub is 'nope'"):
        pull(LARGE, hub="nope")
    assert hub.log == []


def test_a_home_that_cannot_be_written(
    hub: Hub, conversions: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"cannot be made \(Not a directory\); .* EMOTRACE_HOME"):
        pull(LARGE)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs huggingface_hub; install it with: pip install 'emot"):
        pull(LARGE)
