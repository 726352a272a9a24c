"""A model package is used as its card says, or refused with a clear reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import EmotraceError, ModelError
from emotrace.labels import LABELS
from emotrace.models import registry
from emotrace.models.package import CARD_FILE, FileEntry, ModelCard, ModelPackage, read_card, write_package
from emotrace.models.runtime import OnnxEncoder
from tests.models.packages import card, graph, package


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the card of a package on disk, as somebody with an editor would."""
    content = json.loads((folder / CARD_FILE).read_text())
    change(content)
    (folder / CARD_FILE).write_text(json.dumps(content))


def reason(error: pytest.ExceptionInfo[EmotraceError]) -> str:
    """The message, which is one line."""
    text = str(error.value)
    assert text and "\n" not in text
    return text


def test_a_package_runs(tmp_path: Path) -> None:
    package(tmp_path)
    [encoding] = OnnxEncoder(ModelPackage(tmp_path)).encode([np.full(1600, 0.5, np.float32)])
    assert encoding.logits == pytest.approx(np.linspace(-0.5, 0.5, 9), abs=1e-6)
    assert encoding.frames.shape == (1, 3)
    assert encoding.active_seconds == 0.0


def test_a_model_without_reference_gets_none(tmp_path: Path) -> None:
    package(tmp_path, graph(("waveform",), spectrum=0), reference_size=0)
    encoder = OnnxEncoder(ModelPackage(tmp_path))
    [encoding] = encoder.encode([np.zeros(1600, np.float32)])
    assert not encoder.card.speaker_reference
    assert encoding.spectrum.shape == (0,)


def test_the_card_survives_writing_and_reading(tmp_path: Path) -> None:
    figure = {"name": "UAR", "value": 0.6, "interval": (0.5, 0.7), "corpus": "emodb", "split": "test"}
    written = package(tmp_path, figures=[figure], temperature=1.5, description="情感 😊")
    assert read_card(tmp_path) == written
    assert written.figures[0].interval == (0.5, 0.7)
    assert ModelCard.model_validate_json(written.model_dump_json()) == written


def test_the_revision_is_the_start_of_the_hash(tmp_path: Path) -> None:
    written = package(tmp_path)
    assert ModelPackage(tmp_path).revision("tiny.onnx") == written.files["tiny.onnx"].sha256[:12]
    assert OnnxEncoder(ModelPackage(tmp_path)).info.revision == written.files["tiny.onnx"].sha256[:12]


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b + b"\0", lambda b: b""]
)
def test_a_changed_file_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    package(tmp_path)
    file = tmp_path / "tiny.onnx"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ModelError, match="damaged or was changed; install it again") as error:
        OnnxEncoder(ModelPackage(tmp_path)).encode([np.zeros(1600, np.float32)])
    assert str(file) in reason(error)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    package(tmp_path)
    (tmp_path / "tiny.onnx").unlink()
    with pytest.raises(ModelError, match="No such file") as error:
        OnnxEncoder(ModelPackage(tmp_path)).encode([np.zeros(1600, np.float32)])
    assert "install it again" in reason(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"[]", "should be an object"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"{}", "name: Field required"),
    ],
)
def test_a_card_that_is_none(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / CARD_FILE).write_bytes(text)
    with pytest.raises(ModelError) as error:
        ModelPackage(tmp_path)
    assert told in reason(error)
    assert CARD_FILE in reason(error)


def test_no_card_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a model package: model\.json cannot be read"):
        ModelPackage(tmp_path)
    (tmp_path / CARD_FILE).mkdir()
    with pytest.raises(ModelError, match=r"is not a model package: model\.json cannot be read"):
        ModelPackage(tmp_path)


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "order of labels": (lambda c: c["labels"].reverse(), "expected the nine, in order"),
    "eight labels": (lambda c: c["labels"].pop(), "expected the nine, in order"),
    "unknown field": (lambda c: c.update(colour="red"), "colour: Extra inputs"),
    "field of a file": (lambda c: c["files"]["tiny.onnx"].update(url="x"), "url: Extra inputs"),
    "field left out": (lambda c: c.pop("licence"), "licence: Field required"),
    "another schema": (lambda c: c.update(schema_version=2), "schema_version: Input should be 1"),
    "rate": (lambda c: c.update(sampling_rate=8000), "sampling_rate"),
    "name": (lambda c: c.update(name="../x"), "name: String should match"),
    "empty name": (lambda c: c.update(name=""), "name: String should match"),
    "hash": (lambda c: c["files"]["tiny.onnx"].update(sha256="abc"), "sha256: String should match"),
    "size": (lambda c: c["files"]["tiny.onnx"].update(bytes=-1), "bytes"),
    "precision": (lambda c: c["graphs"].update(fp16="tiny.onnx"), "graphs"),
    "graph without hash": (lambda c: c["graphs"].update(int8="small.onnx"), "graphs without a hash"),
    "temperature": (lambda c: c.update(temperature=0), "temperature"),
    "windows too short": (lambda c: c["track"].update(window=0.05), "shorter than min_seconds"),
    "windows on one spot": (lambda c: c["track"].update(hop=0.0), "track.hop"),
    "not a number": (lambda c: c.update(min_seconds=float("nan")), "min_seconds"),
}


@pytest.mark.parametrize(("change", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_card_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    package(tmp_path)
    edit(tmp_path, change)
    with pytest.raises(ModelError) as error:
        ModelPackage(tmp_path)
    assert told in reason(error)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "..", ".", "", "C:x", "a\\b", "a\0b", CARD_FILE]
)
def test_files_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    package(tmp_path)
    edit(tmp_path, lambda c: c["files"].update({name: c["files"]["tiny.onnx"]}))
    with pytest.raises(ModelError, match="no name of a file in the package's own folder"):
        ModelPackage(tmp_path)
    with pytest.raises(ModelError, match="own folder"):
        write_package(tmp_path / "new", {name: b""}, card(graphs={}))
    assert not (tmp_path / "new").exists()


@given(st.text(max_size=12))
def test_no_file_name_leaves_the_folder(name: str) -> None:
    entry = FileEntry(sha256="0" * 64, bytes=0)
    try:
        valid = ModelCard(**card(graphs={}), files={name: entry})
    except ValueError:
        return
    folder = os.path.join(os.sep, "models", "tiny")  # noqa: PTH118 (what the file system will do)
    assert all(os.path.dirname(os.path.normpath(os.path.join(folder, n))) == folder for n in valid.files)  # noqa: PTH118, PTH120


WRONG_GRAPHS: dict[str, tuple[bytes, str]] = {
    "eight logits": (graph(logits=8), r"'logits' has shape \['B', 8\]; expected a last axis of 9"),
    "frame logits": (graph(frame_logits=3), r"'frame_logits' has shape .*expected a last axis of 9"),
    "embedding": (graph(embedding=5), r"'embedding' has shape \['B', 5\]; expected a last axis of 4"),
    "frames": (graph(frames=1), r"'frames' has shape .*expected a last axis of 3"),
    "no embedding": (graph(embedding=0), r"'embedding' has shape None"),
    "no spectrum": (graph(spectrum=0), r"'spectrum' has shape None; expected a last axis of 2"),
    "inputs": (graph(("waveform", "mask")), r"has the inputs \['mask', 'waveform'\]; expected"),
    "no reference": (graph(("waveform",)), r"has the inputs \['waveform'\]; expected"),
    "no graph": (b"not a graph", "ONNX Runtime cannot load its graph"),
    "nothing": (b"", "ONNX Runtime cannot load its graph"),
}


@pytest.mark.parametrize(("content", "told"), WRONG_GRAPHS.values(), ids=WRONG_GRAPHS)
def test_a_graph_that_is_not_what_the_card_says(tmp_path: Path, content: bytes, told: str) -> None:
    package(tmp_path, content)
    encoder = OnnxEncoder(ModelPackage(tmp_path))
    with pytest.raises(ModelError, match=told) as error:
        encoder.encode([np.zeros(1600, np.float32)])
    assert "model 'tiny'" in reason(error)


def test_a_graph_that_fails_while_it_runs(tmp_path: Path) -> None:
    package(tmp_path)
    encoder = OnnxEncoder(ModelPackage(tmp_path))
    with pytest.raises(ModelError, match="cannot run its graph") as error:
        encoder.encode([np.zeros(1600, np.float32)], [np.zeros(3, np.float32)])
    reason(error)


def test_the_built_in_package_is_whole_and_small() -> None:
    built_in = ModelPackage(registry.builtin_folder())
    total = sum(file.stat().st_size for file in built_in.folder.iterdir())
    assert total <= 8 * 1024 * 1024
    assert {file.name for file in built_in.folder.iterdir()} == {CARD_FILE, *built_in.card.files}
    for name in built_in.card.files:
        assert len(built_in.file(name)) == built_in.card.files[name].bytes
    assert built_in.card.name == "compact"
    assert built_in.card.labels == LABELS
    assert built_in.card.frame_hop <= 0.04
    assert "NC" in built_in.card.licence
