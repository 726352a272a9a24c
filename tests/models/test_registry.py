"""Which models are found, which is the best, and what is said when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from emotrace.errors import DeviceError, ModelError, ModelNotFoundError, OptionError
from emotrace.models import registry
from emotrace.models.package import CARD_FILE, ModelPackage, write_package
from emotrace.models.runtime import OnnxEncoder
from tests.models.packages import card, graph, package


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of installed models."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path))
    return tmp_path


def install(home: Path, name: str) -> Path:
    folder = home / "models" / name
    package(folder, name=name)
    return folder


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTRACE_HOME", "~/models of mine")
    assert registry.home() == Path.home() / "models of mine"
    monkeypatch.setenv("EMOTRACE_HOME", "")
    assert registry.home() == Path(platformdirs.user_data_dir("emotrace", appauthor=False))


def test_the_built_in_model_is_always_there(home: Path) -> None:
    assert registry.installed() == {"compact": registry.builtin_folder()}
    assert registry.find().card.name == registry.find("compact").card.name == "compact"


def test_the_best_comes_first(home: Path) -> None:
    for name in ("zebra", "emotion2vec_plus_seed", "aardvark", "emotion2vec_plus_large"):
        install(home, name)
    order = ["emotion2vec_plus_large", "emotion2vec_plus_seed", "aardvark", "zebra", "compact"]
    assert list(registry.installed()) == order
    assert registry.find("auto").card.name == "emotion2vec_plus_large"
    assert registry.find("zebra").folder == home / "models" / "zebra"


def test_what_is_no_package_is_not_installed(home: Path) -> None:
    (home / "models" / "half").mkdir(parents=True)
    (home / "models" / "note.txt").write_text("hello")
    assert list(registry.installed()) == ["compact"]


def test_home_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "file"))
    assert list(registry.installed()) == ["compact"]


def test_models_that_may_not_be_listed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "models").mkdir()

    def refuse(self: Path) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ModelError, match=r"cannot be listed \(Permission denied\).*EMOTRACE_HOME"):
        registry.installed()


def test_a_broken_best_model_is_an_error_and_not_passed_over(home: Path) -> None:
    (install(home, "emotion2vec_plus_base") / CARD_FILE).write_text("{}")
    with pytest.raises(ModelError, match="not a valid model card"):
        registry.find("auto")
    assert registry.find("compact").card.name == "compact"


def test_a_folder_of_another_name_is_refused(home: Path) -> None:
    install(home, "one").rename(home / "models" / "two")
    with pytest.raises(ModelError, match="holds the model 'one'; expected the folder to have its name"):
        registry.find("two")


def test_a_package_can_be_given_by_its_folder(home: Path, tmp_path: Path) -> None:
    package(tmp_path / "anywhere")
    assert registry.find(str(tmp_path / "anywhere")).card.name == "tiny"
    with pytest.raises(ModelError, match=r"model\.json cannot be read"):
        registry.find(str(tmp_path))


@pytest.mark.parametrize("name", ["nonsense", "", "COMPACT", "a\0b", "x" * 5000, "compact/../compact"])
def test_an_unknown_name_is_told_with_what_there_is(home: Path, name: str) -> None:
    install(home, "mine")
    with pytest.raises(ModelNotFoundError, match="is not installed; installed are: mine, compact") as error:
        registry.find(name)
    assert error.value.code == "model-not-found"


def test_a_precision_that_is_not_there() -> None:
    built_in = ModelPackage(registry.builtin_folder())
    assert OnnxEncoder(built_in).info.precision == "fp32"
    with pytest.raises(DeviceError, match="'compact' has no int8 graph; it has: fp32"):
        OnnxEncoder(built_in, precision="int8")
    with pytest.raises(OptionError, match="precision is 'half'; expected one of auto, fp32, int8"):
        OnnxEncoder(built_in, precision="half")


def test_another_precision_is_another_graph(tmp_path: Path) -> None:
    files = {"tiny.onnx": graph(), "small.onnx": graph()}
    write_package(tmp_path, files, card(graphs={"fp32": "tiny.onnx", "int8": "small.onnx"}))
    info = OnnxEncoder(ModelPackage(tmp_path), precision="int8", threads=1).info
    assert (info.precision, info.device, info.threads) == ("int8", "cpu", 1)


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    built_in = ModelPackage(registry.builtin_folder())
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(DeviceError, match=r"no CUDA provider here; .* or use device 'cpu'"):
        OnnxEncoder(built_in, device="cuda")
    with pytest.raises(OptionError, match="device is 'tpu'; expected one of auto, cpu, cuda"):
        OnnxEncoder(built_in, device="tpu")


def test_a_device_that_does_not_start_is_no_silent_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CpuAfterAll:
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: both)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *args, **options: CpuAfterAll())
    monkeypatch.setattr("emotrace.models.selection.cuda_driver", lambda: True)
    package(tmp_path)
    encoder = OnnxEncoder(ModelPackage(tmp_path), device="cuda")
    with pytest.raises(DeviceError, match="ONNX Runtime could not start it"):
        encoder.encode([np.zeros(1600, np.float32)])


def test_threads_are_counted(tmp_path: Path) -> None:
    package(tmp_path)
    with pytest.raises(OptionError, match="threads is -1; expected 0"):
        OnnxEncoder(ModelPackage(tmp_path), threads=-1)


def test_folders_that_are_being_made_or_removed_are_not_installed(home: Path) -> None:
    package(home / "models" / ".mine.converting", name="mine")
    assert list(registry.installed()) == ["compact"]


def test_auto_is_a_model_that_names_emotions(home: Path) -> None:
    network = {"embed_dim": 32, "heads": 2, "alibi_heads": 2, "prenet_depth": 1, "depth": 1}
    install(home, "emotion2vec_base")
    card_file = home / "models" / "emotion2vec_base" / CARD_FILE
    fields = {"family": "emotion2vec", "labels": [], "network": network, "reference_size": 0}
    card_file.write_text(json.dumps({**json.loads(card_file.read_text()), **fields}))
    assert next(iter(registry.installed())) == "emotion2vec_base"
    assert registry.find("emotion2vec_base").card.labels == ()
    assert registry.find("auto").card.name == "compact"


def test_a_name_that_can_be_pulled_is_told_how(home: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"\(see `emotrace models pull emotion2vec_plus_base`\)"):
        registry.find("emotion2vec_plus_base")


def test_a_removed_model_is_gone(home: Path) -> None:
    folder = install(home, "one")
    install(home, "two")
    (home / "models" / ".removed-1234").mkdir()
    assert registry.remove("one") == folder
    assert [p.name for p in (home / "models").iterdir()] == ["two"]
    assert list(registry.installed()) == ["two", "compact"]


def test_a_damaged_model_can_be_removed(home: Path) -> None:
    (install(home, "one") / CARD_FILE).unlink()
    registry.remove("one")
    assert list((home / "models").iterdir()) == []


def test_links_are_removed_and_what_they_point_to_is_not(home: Path, tmp_path: Path) -> None:
    package(home / "elsewhere" / "real", name="real")
    (home / "elsewhere" / "file").write_text("x")
    (home / "models").mkdir()
    (home / "models" / "real").symlink_to(home / "elsewhere" / "real")
    inside = install(home, "mine")
    (inside / "link").symlink_to(home / "elsewhere")
    for name in ("real", "mine"):
        registry.remove(name)
    assert list((home / "models").iterdir()) == []
    assert registry.find(str(home / "elsewhere" / "real")).card.name == "real"
    assert (home / "elsewhere" / "file").read_text() == "x"


@pytest.mark.parametrize(
    "name", ["nope", "", ".", "..", ".hidden", "../models", "a/b", "a\\b", "a\0b", "x" * 5000]
)
def test_only_models_are_removed(home: Path, name: str) -> None:
    install(home, "mine")
    (home / "models" / ".hidden").mkdir()
    with pytest.raises(ModelNotFoundError, match="is not installed"):
        registry.remove(name)
    assert sorted(p.name for p in (home / "models").iterdir()) == [".hidden", "mine"]


def test_the_built_in_model_stays(home: Path) -> None:
    with pytest.raises(ModelError, match="is a part of emotrace and cannot be removed"):
        registry.remove("compact")
    assert registry.find("compact").folder == registry.builtin_folder()


def test_what_may_not_be_removed_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(home, "mine")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ModelError, match=r"cannot be removed \(Permission denied\); check its permissions"):
        registry.remove("mine")
    assert registry.find("mine").folder == folder
