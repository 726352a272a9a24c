"""A checkpoint becomes a package that runs, or nothing at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from emotrace.errors import ModelError, OptionError, OutputError
from emotrace.labels import LABELS
from emotrace.models import conversion, parity, quantization, registry
from emotrace.models.conversion import Origin, convert
from emotrace.models.emotion2vec_network import Emotion2vec
from emotrace.models.loading import load_encoder
from emotrace.models.package import Int8Figures, ModelPackage
from tests.models.checkpoints import OLD_TOKENS, TINY, noise, random_weights, write_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("published") / "my_checkpoint")


@pytest.fixture(scope="module")
def package(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelPackage]:
    yield ModelPackage(convert(checkpoint, "tiny", ("fp32",), home=tmp_path_factory.mktemp("home")).folder)


def names(home: Path) -> set[str]:
    """What lies among the installed models, hidden or not, locks apart."""
    return {path.name for path in (home / "models").iterdir() if path.suffix != ".lock"}


def test_the_card_tells_what_it_is_and_where_it_comes_from(package: ModelPackage, checkpoint: Path) -> None:
    card = package.card
    assert card.network == TINY and card.labels == LABELS and card.masked == ()
    assert (card.frame_hop, card.min_seconds, card.embedding_size) == (0.02, 0.025, 24)
    assert card.provenance is not None and card.provenance.origin == "my_checkpoint"
    assert card.provenance.checkpoint_bytes == (checkpoint / "model.pt").stat().st_size
    assert "FunASR" in card.licence and "emotion2vec" in (card.attribution or "")
    assert card.parity is not None and card.parity.frames_max_abs <= 5e-5
    assert str(checkpoint) not in card.model_dump_json()
    for name in card.files:
        package.check(name)
    modes = {(package.folder / name).stat().st_mode & 0o777 for name in card.files}
    assert len(modes) == 1


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_the_package_says_what_the_network_says(package: ModelPackage, runtime: str) -> None:
    encoder = load_encoder(package, precision="fp32", device="cpu", runtime=runtime)
    clips = [noise(seconds, i) for i, seconds in enumerate((0.03, 1.2, 5.0))]
    network = Emotion2vec.from_weights(TINY, random_weights(TINY))
    for clip, encoding in zip(clips, encoder.encode(clips), strict=True):
        with torch.inference_mode():
            expected = network(torch.from_numpy(clip)[None], torch.tensor([len(clip)]))
        assert encoding.frames == pytest.approx(expected.frames[0].numpy(), abs=2e-5)
        assert encoding.logits == pytest.approx(expected.logits[0].numpy(), abs=2e-5)
        assert encoding.frame_logits == pytest.approx(expected.frame_logits[0].numpy(), abs=5e-5)


def test_parity_can_be_looked_at_again(package: ModelPackage) -> None:
    encoder = load_encoder(package, precision="fp32", device="cpu", runtime="onnxruntime")
    found = parity.check_package(package, encoder)
    assert package.card.parity is not None
    assert found.frames_max_abs <= package.card.parity.frames_tolerance
    assert found.probability_max_abs <= package.card.parity.probability_tolerance


def test_parity_sees_other_weights(package: ModelPackage, tmp_path: Path) -> None:
    other = convert(write_checkpoint(tmp_path / "other", seed=1), "other", ("fp32",), home=tmp_path)
    encoder = load_encoder(ModelPackage(other.folder), precision="fp32", device="cpu")
    assert parity.check_package(package, encoder).frames_max_abs > 0.1


def test_a_damaged_parity_file_is_an_error() -> None:
    for content in (b"", b"PK", b"\x93NUMPY"):
        with pytest.raises(ModelError, match="parity"):
            parity.compare(content, lambda waveform: (waveform, None))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure int8 on few and short clips."""
    clips = quantization.sample_clips((0.5, 2.0), copies=1)
    monkeypatch.setattr(conversion, "measure", lambda a, b, **how: quantization.measure(a, b, clips, **how))


@pytest.mark.usefixtures("quick")
def test_int8_comes_with_its_figures(checkpoint: Path, tmp_path: Path) -> None:
    report = convert(checkpoint, "tiny", home=tmp_path)
    figures = report.card.int8
    assert figures is not None and figures.clips == 2
    assert ("int8" in report.card.graphs) == figures.within_bound
    assert bool(report.warnings) != figures.within_bound
    stated = {*report.card.files, "model.json"}
    assert {path.name for path in report.folder.iterdir()} == stated
    if figures.within_bound:
        [found] = load_encoder(ModelPackage(report.folder), precision="int8").encode([noise(2.0)])
        assert found.logits.shape == (9,)


def figures(agreement: float) -> Int8Figures:
    return Int8Figures(
        utterance_agreement=agreement,
        frame_agreement=1,
        utterance_change=0.02,
        frame_change=0.01,
        speed_ratio=2,
        clips=1,
        speech="none",
        cpu="none",
        instructions="none",
        runtime="none",
    )


@pytest.mark.parametrize(
    ("inside", "kept"),
    [
        (("model.int8.onnx", "model.int8-careful.onnx"), "model.int8.onnx"),
        (("model.int8-careful.onnx",), "model.int8-careful.onnx"),
        ((), None),
    ],
)
def test_the_fastest_int8_graph_inside_the_bound_is_kept(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inside: tuple[str, ...],
    kept: str | None,
) -> None:
    monkeypatch.setattr(
        conversion, "measure", lambda fp32, int8, **how: figures(1.0 if int8.name in inside else 0.5)
    )
    report = convert(checkpoint, "tiny", home=tmp_path)
    files = {path.name for path in report.folder.iterdir() if "int8" in path.name}
    assert report.card.int8 == figures(1.0 if kept else 0.5)
    if kept:
        assert report.card.graphs["int8"] == kept and not report.warnings
        assert files == {kept, f"{kept}.data"} == {kept, *report.card.external[kept]}
    else:
        assert report.card.graphs.keys() == {"fp32"} and not files
        [warning] = report.warnings
        assert "int8 is left out" in warning and "50.0%" in warning


def test_an_old_revision_keeps_its_mask(tmp_path: Path) -> None:
    old = write_checkpoint(tmp_path / "old", tokens=OLD_TOKENS)
    report = convert(old, "old", ("fp32",), home=tmp_path)
    assert report.card.masked == ("disgusted", "fearful", "other", "surprised")
    assert "old revision" in report.warnings[0]
    for runtime in ("onnxruntime", "torch"):
        [found] = load_encoder(ModelPackage(report.folder), precision="fp32", runtime=runtime).encode(
            [noise(1.0)]
        )
        assert (
            found.logits[[1, 2, 5, 7]].tolist() == [-1e4] * 4 and found.logits[[0, 3, 4, 6, 8]].min() > -100
        )


def test_a_checkpoint_without_a_head_gives_embeddings(tmp_path: Path) -> None:
    bare = write_checkpoint(tmp_path / "bare", head=False)
    report = convert(bare, "bare", ("fp32",), home=tmp_path)
    assert report.card.labels == () and not report.card.has_head
    [found] = load_encoder(ModelPackage(report.folder), precision="fp32").encode([noise(1.0)])
    assert found.embedding.shape == (24,) and found.logits.size == 0


def test_the_origin_is_kept(checkpoint: Path, tmp_path: Path) -> None:
    origin = Origin("huggingface", "emotion2vec/emotion2vec_plus_base", "abc123")
    provenance = convert(checkpoint, "tiny", ("fp32",), home=tmp_path, origin=origin).card.provenance
    assert provenance is not None
    assert (provenance.hub, provenance.origin, provenance.revision) == (origin.hub, origin.name, "abc123")


def test_progress_goes_from_start_to_end(checkpoint: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float, float]] = []
    convert(checkpoint, "tiny", ("fp32",), home=tmp_path, on_progress=lambda *progress: told.append(progress))
    steps = list(dict.fromkeys(step for step, _, _ in told))
    assert steps[0] == "check the checkpoint" and steps[-1] == "hash the files" and len(steps) >= 5
    assert all(0 <= done <= total for _, done, total in told)


def test_emotrace_home_is_used(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path))
    convert(checkpoint, "tiny", ("fp32",))
    assert registry.find("tiny").card.family == "emotion2vec"
    assert next(iter(registry.installed())) == "tiny"


# -- whole or not at all ------------------------------------------------------------------------------------


def test_a_name_that_is_taken_needs_force(checkpoint: Path, tmp_path: Path) -> None:
    first = convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    with pytest.raises(ModelError, match="--force"):
        convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    other = write_checkpoint(tmp_path / "other", seed=1)
    second = convert(other, "tiny", ("fp32",), home=tmp_path, force=True)
    assert first.card.files["model.onnx.data"] != second.card.files["model.onnx.data"]
    assert ModelPackage(second.folder).card == second.card
    assert names(tmp_path) == {"tiny"}


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "auto", "Compact", "x" * 101, "é", "a b"]
)
def test_a_name_that_is_none_is_refused(checkpoint: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match="cannot be called"):
        convert(checkpoint, name, home=tmp_path)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("precisions", [(), ("fp16",), ("int8", "int4")])
def test_an_unknown_precision_is_refused(
    checkpoint: Path, tmp_path: Path, precisions: tuple[str, ...]
) -> None:
    with pytest.raises(OptionError, match="precisions"):
        convert(checkpoint, "tiny", precisions, home=tmp_path)


def test_a_bad_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "bad")
    (source / "model.pt").write_bytes((source / "model.pt").read_bytes()[:-1000])
    with pytest.raises(ModelError):
        convert(source, "tiny", home=tmp_path)
    assert names(tmp_path) == set()


def test_a_failing_step_leaves_what_was_there(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = convert(checkpoint, "tiny", ("fp32",), home=tmp_path).card

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parity, "write", full)
    with pytest.raises(OutputError, match="No space left on device"):
        convert(checkpoint, "tiny", ("fp32",), home=tmp_path, force=True)
    assert names(tmp_path) == {"tiny"}
    assert ModelPackage(tmp_path / "models" / "tiny").card == before


def test_a_disk_that_is_full_for_safetensors_is_one(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(OutputError, match=r"No space left on device .* make room"):
        convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    assert names(tmp_path) == set()


def test_a_graph_that_disagrees_with_the_network_is_not_installed(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = parity.Difference(0.1, 0.0)
    monkeypatch.setattr(parity, "compare", lambda content, run: far)
    with pytest.raises(ModelError, match="off the network"):
        convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_written(checkpoint: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permissions"):
        convert(checkpoint, "tiny", home=tmp_path)


def test_a_file_where_the_folder_should_be(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        convert(checkpoint, "tiny", home=tmp_path)


def start(checkpoint: Path, home: Path, pause_at: str = "") -> subprocess.Popen[str]:
    """A process that converts; at a step it says so and waits to be killed."""
    program = f"""
        import sys, time
        from pathlib import Path
        from emotrace.errors import EmotraceError
        from emotrace.models.conversion import convert
        seen = set()
        def tell(step, done, total):
            if step not in seen:
                seen.add(step)
                print(step, flush=True)
                if step == {pause_at!r}:
                    time.sleep(600)
        try:
            source, home = Path({str(checkpoint)!r}), Path({str(home)!r})
            convert(source, "tiny", ("fp32",), home=home, on_progress=tell)
            print("made", flush=True)
        except EmotraceError as error:
            print("refused", error, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )


def await_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(text):
            return
    raise AssertionError(f"the process ended without saying {text!r}")


@pytest.mark.parametrize(
    "step", ["write the weights for torch", pytest.param("hash the files", marks=pytest.mark.slow)]
)
def test_a_kill_in_the_middle_leaves_no_model_and_is_tidied_up(
    checkpoint: Path, tmp_path: Path, step: str
) -> None:
    process = start(checkpoint, tmp_path, pause_at=step)
    await_line(process, step)
    convert(checkpoint, "another", ("fp32",), home=tmp_path)
    assert names(tmp_path) == {"another", ".tiny.converting"}  # whose process is at work
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(tmp_path) == {"another", ".tiny.converting"}
    convert(checkpoint, "third", ("fp32",), home=tmp_path)
    assert names(tmp_path) == {"another", "third"}
    convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    assert names(tmp_path) == {"another", "third", "tiny"}


def test_a_model_that_was_being_replaced_is_put_back(checkpoint: Path, tmp_path: Path) -> None:
    before = convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    before.folder.rename(before.folder.with_name(".tiny.old"))  # as a kill between two renames leaves it
    (before.folder.with_name(".tiny.converting")).mkdir()
    with pytest.raises(ModelError, match="installed already"):
        convert(checkpoint, "tiny", ("fp32",), home=tmp_path)
    assert names(tmp_path) == {"tiny"}
    assert ModelPackage(before.folder).card == before.card


def test_two_processes_at_once_make_one_whole_package(checkpoint: Path, tmp_path: Path) -> None:
    processes = [start(checkpoint, tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert sorted("made" in text.splitlines() for text in said) == [False, True]
    assert sum("refused model 'tiny' is installed already" in text for text in said) == 1
    package = ModelPackage(tmp_path / "models" / "tiny")
    for name in package.card.files:
        package.check(name)
    assert names(tmp_path) == {"tiny"}


@pytest.mark.slow
def test_waiting_for_another_process_is_told(checkpoint: Path, tmp_path: Path) -> None:
    first = start(checkpoint, tmp_path, pause_at="hash the files")
    await_line(first, "hash the files")
    second = start(checkpoint, tmp_path)
    await_line(second, "wait for another conversion of tiny")
    assert second.poll() is None
    first.kill()
    first.communicate()
    said = second.communicate(timeout=120)[0]
    assert "made" in said.splitlines()
    assert names(tmp_path) == {"tiny"}


def test_silence_and_the_shortest_clip_run(package: ModelPackage) -> None:
    encoder = load_encoder(package, precision="fp32", device="cpu")
    for encoding in encoder.encode([np.zeros(400, np.float32), np.zeros(16_000, np.float32)]):
        assert np.isfinite(encoding.frames).all() and np.isfinite(encoding.logits).all()
