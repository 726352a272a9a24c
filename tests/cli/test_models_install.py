"""``emotrace models pull`` and ``convert``, typed as a user would; hubs are a stand-in on this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, environment
from tests.cli.command import run as run_process
from tests.cli.conftest import Run, listed
from tests.models.hub_server import COMMIT, Hub, serving, use

pytest.importorskip("huggingface_hub")

LARGE = "emotion2vec_plus_large"


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
    assert listed(run)["mine"]["default"]
    code, out, err = run("models", "convert", tmp_path / "mine", "--name", "mine")
    assert (code, out) == (6, "")
    assert "is installed already" in err
