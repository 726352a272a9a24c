"""``emotrace models``, typed as a user would; hubs are a stand-in on this machine."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emotrace.cli import progress
from emotrace.cli.progress import Steps
from emotrace.models.package import CARD_FILE
from emotrace.models.registry import builtin_folder
from tests.cli.command import COMMAND, environment
from tests.cli.command import run as run_process
from tests.cli.conftest import Run
from tests.models.hub_server import COMMIT, Hub, serving, use
from tests.models.packages import package

pytest.importorskip("huggingface_hub")

LARGE = "emotion2vec_plus_large"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of installed models."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "emotrace"))
    return tmp_path / "emotrace"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a tiny checkpoint with random weights, in the published format."""
    pytest.importorskip("torch")
    from tests.models.checkpoints import TINY, write_checkpoint

    folder = tmp_path_factory.mktemp("checkpoint")
    write_checkpoint(folder, TINY)
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def hub(checkpoint: dict[str, bytes]) -> Iterator[Hub]:
    with serving(dict(checkpoint)) as hub:
        yield hub


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch waits busily for its other threads where others need the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def variables(hub: Hub, home: Path) -> dict[str, str]:
    """What a user sets to pull from a mirror of each hub."""
    return environment(
        EMOTRACE_HOME=str(home / "emotrace"),
        HF_HOME=str(home / "huggingface"),
        HF_ENDPOINT=hub.endpoint,
        MODELSCOPE_ENDPOINT=hub.endpoint,
        HOME=str(home),
        OMP_NUM_THREADS="1",
    )


def rows(run: Run) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run("models", "list", "--json")[1])}


def test_pulled_listed_shown_verified_used_and_removed(hub: Hub, tmp_path: Path) -> None:
    env = variables(hub, tmp_path)
    done = run_process("models", "pull", LARGE, "--precision", "fp32", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{LARGE} is installed in '{tmp_path}/emotrace/models/{LARGE}' (fp32; ")
    notice, kept = done.stderr.splitlines()
    assert "FunASR Model Open Source License Agreement 1.1" in notice
    assert "Attribution: emotion2vec by Ziyang Ma et al." in notice
    assert f"stay in '{tmp_path}/huggingface/hub/models--emotion2vec--{LARGE}/snapshots/{COMMIT}'" in kept

    again = run_process("models", "pull", LARGE, env={**env, "HF_HUB_OFFLINE": "1"})
    assert again.returncode == 0
    assert "is installed already; --force replaces it" in again.stderr

    card = json.loads(run_process("models", "info", "--json", env=env).stdout)
    assert card["name"] == LARGE
    assert card["provenance"]["origin"] == f"emotion2vec/{LARGE}"
    assert (card["provenance"]["hub"], card["provenance"]["revision"]) == ("huggingface", COMMIT)

    verified = run_process("models", "verify", LARGE, "--json", env=env)
    [report] = json.loads(verified.stdout)
    assert verified.returncode == 0, verified.stdout
    assert [check["passed"] for check in report["checks"]] == [True, True, None]

    removed = run_process("models", "remove", LARGE, "--yes", env=env)
    assert (removed.returncode, removed.stdout) == (0, "")
    listed = json.loads(run_process("models", "list", "--json", env=env).stdout)
    assert [row["name"] for row in listed if row["installed"]] == ["compact"]


def test_a_killed_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.files["model.pt"] = bytes(25_000_000)
    hub.stalls["model.pt"] = 22_000_000
    command = [*COMMAND, "models", "pull", LARGE]
    process = subprocess.Popen(command, env=variables(hub, tmp_path), stderr=subprocess.PIPE)
    try:
        part = None
        end = time.monotonic() + 60
        while part is None or part.stat().st_size < 20_000_000:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
            part = next(tmp_path.rglob("*.part"), None)
        kept = part.stat().st_size
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hub.released.set()
    hub.stalls.clear()
    hub.log.clear()
    done = run_process("models", "pull", LARGE, env=variables(hub, tmp_path))
    assert hub.ranges("model.pt") == [f"bytes={kept}-"]
    assert done.returncode == 6  # zeros are no checkpoint
    assert not (tmp_path / "emotrace" / "models" / LARGE).exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nope"], "no model 'nope' is known; expected one of emotion2vec_plus_large, emotion2vec_plus_base"),
        ([LARGE, "--revision", "v9"], "has no revision 'v9'"),
        (["emotion2vec_plus_base"], "does not exist, or not for you"),
        ([LARGE, "--hub", "modelscope", "--revision", "v9"], "on ModelScope has no revision 'v9'"),
        ([LARGE, "--name", "../x"], "a model cannot be called '../x'"),
        ([LARGE, "--hub", "github"], "hub is 'github'; expected one of auto, huggingface, modelscope"),
        ([LARGE, "--precision", "int4"], "int4"),
        ([LARGE, "--from", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_pulled_is_one_sentence_and_leaves_nothing(
    run: Run,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
) -> None:
    use(hub, tmp_path, monkeypatch)
    code, out, err = run("models", "pull", *arguments)
    wrong = {"--name", "github", "int4", "--from"} & set(arguments)
    assert (code, out) == (2 if wrong else 6, "")
    assert complaint in err.splitlines()[-1]
    assert all(line.startswith("emotrace: ") for line in err.splitlines())
    assert len(err.splitlines()) <= 2  # the licence, and the error
    assert not (tmp_path / "emotrace" / "models" / LARGE).exists()
    assert not any((tmp_path / "emotrace").rglob("*.onnx"))


def test_precisions_are_words_after_their_option(run: Run, tmp_path: Path, home: Path) -> None:
    code, _, err = run("models", "convert", tmp_path, "--name", "mine", "--precision", "fp32", "int8")
    assert code == 6
    assert "config.yaml" in err
    code, _, err = run("models", "convert", "--precision", "fp32", "int8", tmp_path, "--name", "mine")
    assert code == 6
    code, _, err = run("models", "convert", tmp_path, "int8", "--name", "mine")
    assert code == 2
    assert "int8" in err
    code, _, err = run("models", "convert", tmp_path / "nowhere", "--name", "mine")
    assert (code, "nowhere" in err, err.count("\n")) == (2, True, 1)


def test_a_converted_folder_is_installed(
    run: Run, checkpoint: dict[str, bytes], tmp_path: Path, home: Path, one_thread: None
) -> None:
    for path, content in checkpoint.items():
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / path).write_bytes(content)
    code, out, err = run(
        "models", "convert", tmp_path / "mine", "--name", "mine", "--precision", "fp32", "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["folder"] == str(home / "models" / "mine")
    assert rows(run)["mine"]["default"]
    code, out, err = run("models", "convert", tmp_path / "mine", "--name", "mine")
    assert (code, out) == (6, "")
    assert "is installed already" in err


def test_the_steps_of_long_work_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with Steps() as steps:
        steps("download model.pt", 0, 1_950_000_000)
        steps("download model.pt", 1_950_000_000, 1_950_000_000)
        steps("write the graph", 0, 1)
        steps("wait for another", 0, 0)
    text = terminal.getvalue()
    for step in ("download model.pt (1.95 GB)", "write the graph", "wait for another"):
        assert step in text


def test_the_list_has_what_is_there_and_what_can_be_pulled(run: Run, home: Path) -> None:
    package(home / "models" / LARGE, name=LARGE)
    found = rows(run)
    assert list(found)[:2] == [LARGE, "compact"]
    assert (found[LARGE]["installed"], found[LARGE]["default"], found[LARGE]["pull"]) == (True, True, None)
    assert found[LARGE]["bytes"] == (home / "models" / LARGE / "tiny.onnx").stat().st_size
    base = found["emotion2vec_plus_base"]
    assert (base["installed"], base["folder"]) == (False, None)
    assert base["pull"] == "emotrace models pull emotion2vec_plus_base"
    text = run("models", "list")[1]
    assert f"* {LARGE}" in text
    assert str(home / "models" / LARGE) in text
    assert "can be pulled (FunASR Model Open Source License Agreement 1.1):" in text
    assert f"emotrace models pull {LARGE}" not in text


@pytest.mark.parametrize("damage", ["card", "short", "gone"])
def test_damaged_packages_do_not_hide_the_others(run: Run, home: Path, damage: str) -> None:
    folder = home / "models" / "mine"
    package(folder, name="mine")
    if damage == "card":
        (folder / CARD_FILE).write_text('{"name": 1}')
    elif damage == "short":
        (folder / "tiny.onnx").write_bytes(b"x")
    else:
        (folder / "tiny.onnx").unlink()
    found = rows(run)
    assert found["mine"]["problem"]
    assert found["compact"]["problem"] is None
    assert found["mine"]["problem"] in run("models", "list")[1]
    assert run("models", "info", "compact")[0] == 0
    code, out, err = run("models", "info", "mine")
    if damage == "card":
        assert (code, out) == (6, "")
        assert "is not a valid model card" in err
    else:
        assert code == 0
        assert "problem            model 'mine':" in out
    code, out, _ = run("models", "verify")
    assert code == 6
    assert "mine: NOT right" in out
    assert "compact: all is right" in out
    reports = json.loads(run("models", "verify", "mine", "--json")[1])
    assert [report["passed"] for report in reports] == [False]
    assert run("models", "remove", "mine", "--yes")[0] == 0
    assert "mine" not in rows(run)


def test_info_shows_where_a_model_comes_from_and_what_was_measured(run: Run, home: Path) -> None:
    provenance = {
        "hub": "modelscope",
        "origin": f"iic/{LARGE}",
        "revision": COMMIT,
        "checkpoint_sha256": "ab" * 32,
        "checkpoint_bytes": 1_950_000_000,
        "converted_with": "emotrace 0.1.0",
    }
    int8 = {
        "utterance_agreement": 0.998,
        "frame_agreement": 0.97,
        "utterance_change": 0.004,
        "frame_change": 0.05,
        "speed_ratio": 1.75,
        "clips": 40,
        "speech": "synthetic speech",
        "cpu": "a CPU",
        "instructions": "none",
        "runtime": "onnxruntime 1",
    }
    package(home / "models" / "mine", name="mine", provenance=provenance, int8=int8, attribution="By them.")
    out = run("models", "info", "mine")[1]
    assert f"iic/{LARGE} at {COMMIT} (modelscope)" in out
    assert f"1.95 GB, sha256 {'ab' * 32}, converted with emotrace 0.1.0" in out
    assert "99.8% of clips and 97.0% of frames" in out
    assert "OUTSIDE its bound (99%, 0.03); 1.75 times as fast" in out
    assert "attribution        By them." in out


def test_verify_without_problems(run: Run, home: Path) -> None:
    package(home / "models" / "mine", name="mine")
    code, out, err = run("models", "verify")
    assert (code, err) == (0, "")
    assert "files          right  1 files" in out
    assert run("models", "verify", str(builtin_folder()))[0] == 0
    code, out, err = run("models", "verify", "nope")
    assert (code, out) == (6, "")
    assert "is not installed" in err


def test_remove_asks_where_somebody_can_answer(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    folder = home / "models" / "mine"
    package(folder, name="mine")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, out, err = run("models", "remove", "mine")
    assert (code, out) == (2, "")
    assert "add --yes" in err
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, out, err = run("models", "remove", "mine")
    assert (code, out) == (0, "")
    assert err.splitlines() == [f"emotrace: remove '{folder}'? [y/N]", "emotrace: nothing was removed"]
    assert folder.exists()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    code, out, err = run("models", "remove", "mine")
    assert (code, out) == (0, "")
    assert f"removed '{folder}'" in err
    assert not folder.exists()


@pytest.mark.parametrize("name", ["compact", "nope", "..", "../models"])
def test_what_is_no_installed_model_is_not_removed(run: Run, home: Path, name: str) -> None:
    package(home / "models" / "mine", name="mine")
    code, out, _ = run("models", "remove", name, "--yes")
    assert (code, out) == (6, "")
    assert (home / "models" / "mine").exists()
