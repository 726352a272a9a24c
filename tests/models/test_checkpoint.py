"""A published checkpoint is read strictly, and nothing that is in it is run."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotrace.errors import ModelError
from emotrace.labels import LABELS
from emotrace.models.checkpoint import ALIBI_SCALE, read_checkpoint
from tests.models.checkpoints import OLD_TOKENS, TINY, TOKENS, config_yaml, random_weights, write_checkpoint

Weights = dict[str, torch.Tensor]


def refusal(source: Path) -> str:
    """The one line with which a checkpoint is refused."""
    with pytest.raises(ModelError) as error:
        read_checkpoint(source)
    text = str(error.value)
    assert text and "\n" not in text and len(text) < 600
    return text


@pytest.mark.parametrize("prefix", ["d2v_model.", ""])
def test_both_forms_of_the_names_load(tmp_path: Path, prefix: str) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, prefix=prefix))
    expected = random_weights(TINY)
    assert checkpoint.config == TINY and checkpoint.labels == LABELS
    assert checkpoint.masked == () and checkpoint.warnings == ()
    assert checkpoint.weights.keys() == expected.keys()
    assert all(np.array_equal(checkpoint.weights[name], value) for name, value in expected.items())


def test_the_file_of_the_weights_may_be_named(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    path = (tmp_path / "model.pt").rename(tmp_path / "emotion2vec_base.pt")
    assert read_checkpoint(path).path == path
    assert "model.pt" in refusal(tmp_path)


def test_the_weights_are_mapped_not_copied(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path))
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("the system does not tell what is mapped")
    assert str(tmp_path / "model.pt") in maps.read_text()
    assert all(not value.flags.owndata for value in checkpoint.weights.values())


@pytest.mark.parametrize("missing", ["model.pt", "config.yaml", "tokens.txt"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    write_checkpoint(tmp_path)
    (tmp_path / missing).unlink()
    assert missing in refusal(tmp_path)


def test_a_checkpoint_without_a_head(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, head=False))
    assert checkpoint.labels == () and "proj.weight" not in checkpoint.weights
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS.split()), encoding="utf-8")
    assert "proj.weight" in refusal(tmp_path)


def test_labels_that_an_old_revision_does_not_use_are_masked(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, tokens=OLD_TOKENS))
    assert checkpoint.masked == ("disgusted", "fearful", "other", "surprised")
    [warning] = checkpoint.warnings
    assert "old revision" in warning and "disgusted" in warning


@pytest.mark.parametrize(
    ("tokens", "word"),
    [
        (TOKENS.replace("<unk>", ""), "8 labels"),
        (TOKENS + " ten", "10 labels"),
        (TOKENS.replace("开心/happy", "难过/sad"), "line 4"),
        (TOKENS.replace("开心/happy", "joyful"), "joyful"),
        (" ".join(f"unuse_{i}" for i in range(9)), "none of its labels"),
        ("", "0 labels"),
    ],
)
def test_wrong_tokens_are_refused(tmp_path: Path, tokens: str, word: str) -> None:
    assert word in refusal(write_checkpoint(tmp_path, tokens=tokens))


def test_tokens_that_are_no_text_are_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    (tmp_path / "tokens.txt").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        ({**dict.fromkeys(LABELS, 0), **{name: i for i, name in enumerate(reversed(LABELS))}}, "class"),
        ({name: i for i, name in enumerate(LABELS[:5])}, "5 labels"),
    ],
)
def test_labels_of_the_training_that_contradict_the_tokens(
    tmp_path: Path, labels: dict[str, int], word: str
) -> None:
    assert word in refusal(write_checkpoint(tmp_path, extra={"task_state": {"labels": labels}}))


@pytest.mark.parametrize(
    "task",
    [
        None,
        {},
        {"labels": None},
        {"labels": []},
        {"labels": {}},
        {"labels": {token: i for i, token in enumerate(TOKENS.split())}},
    ],
)
def test_labels_of_the_training_may_be_missing_or_in_chinese(tmp_path: Path, task: Any) -> None:
    assert read_checkpoint(write_checkpoint(tmp_path, extra={"task_state": task})).warnings == ()


def test_labels_of_the_training_that_nobody_knows_are_told(tmp_path: Path) -> None:
    labels = {f"class{i}": i for i in range(9)}
    [warning] = read_checkpoint(write_checkpoint(tmp_path, extra={"task_state": {"labels": labels}})).warnings
    assert "class0" in warning


def change(name: str, value: Callable[[torch.Tensor], Any]) -> Callable[[Weights], None]:
    def apply(weights: Weights) -> None:
        weights[name] = value(weights[name])

    return apply


def rename(old: str, new: str) -> Callable[[Weights], None]:
    def apply(weights: Weights) -> None:
        weights[new] = weights.pop(old)

    return apply


FC1 = "blocks.1.mlp.fc1.weight"


def with_nan(value: torch.Tensor) -> torch.Tensor:
    value = value.clone()
    value.view(-1)[7] = torch.nan
    return value


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda w: w.pop(FC1), ["lacks", FC1]),
        (rename(FC1, "blocks.1.mlp.fc9.weight"), ["lacks", FC1]),
        (lambda w: w.update({"blocks.7.norm1.weight": torch.ones(24)}), ["unknown", "blocks.7.norm1.weight"]),
        (lambda w: w.update({"d2v_model.proj.bias": torch.ones(9)}), ["twice", "proj.bias"]),
        (change(FC1, lambda v: v.T), [FC1, "(24, 96)", "(96, 24)"]),
        (change(FC1, lambda v: v[:1, :1].expand(10**6, 10**6)), [FC1, "shape"]),
        (change(FC1, with_nan), [FC1, "not finite"]),
        (change("proj.bias", lambda v: v * torch.inf), ["proj.bias", "not finite"]),
        (change(FC1, lambda v: v.int()), [FC1, "int32"]),
        (change(FC1, lambda v: v.to_sparse()), [FC1, "sparse"]),
        (change(FC1, lambda v: "weights"), [FC1, "str"]),
        (change("proj.weight", lambda v: v[:5]), ["5 classes", "9 labels"]),
        (change("proj.weight", lambda v: v[0, 0]), ["0 classes"]),
        (change(ALIBI_SCALE, lambda v: v[:, :, :4]), [ALIBI_SCALE, "shape"]),
        (lambda w: w.update({7: torch.ones(1)}), ["7"]),
        (lambda w: w.clear(), ["no dictionary"]),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, edit: Callable[[Any], object], words: list[str]
) -> None:
    write_checkpoint(tmp_path)
    weights: Any = random_weights(TINY)
    edit(weights)
    torch.save({"model": weights}, tmp_path / "model.pt")
    text = refusal(tmp_path)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(tmp_path: Path, kind: torch.dtype) -> None:
    weights = {name: value.to(kind) for name, value in random_weights(TINY).items()}
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, weights=weights))
    assert all(value.dtype == np.float32 for value in checkpoint.weights.values())
    assert np.array_equal(checkpoint.weights[FC1], weights[FC1].float().numpy())


def test_views_are_laid_out_anew(tmp_path: Path) -> None:
    weights = random_weights(TINY)
    weights[FC1] = weights[FC1].T.contiguous().T
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, weights=weights))
    assert checkpoint.weights[FC1].flags.c_contiguous


def test_one_distance_scale_for_all_heads_is_spread(tmp_path: Path) -> None:
    weights = random_weights(TINY)
    weights[ALIBI_SCALE] = torch.full((1, 1, 1, 1, 1), 0.5)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, weights=weights))
    assert checkpoint.weights[ALIBI_SCALE].reshape(-1).tolist() == [0.5] * 6


def test_fewer_heads_with_a_distance_bias(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"alibi_heads": 4})
    weights = random_weights(TINY)
    weights[ALIBI_SCALE] = torch.full((1, 1, 4, 1, 1), 0.5)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, config, weights=weights))
    assert checkpoint.weights[ALIBI_SCALE].shape == (1, 1, 6, 1, 1)
    assert checkpoint.config.alibi_slopes()[4:] == (0.0, 0.0)


def test_a_config_of_another_size_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    (tmp_path / "config.yaml").write_text(config_yaml(TINY.model_copy(update={"depth": 3})))
    assert "lacks weight 'blocks.2." in refusal(tmp_path)


# -- files that are damaged, or that want to run code ------------------------------------------------------


class Harmful:
    """Unpickling it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.mark}'",)


class Evil:
    """Unpickling it evaluates text."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return eval, (f"__import__('pathlib').Path({str(self.mark)!r}).touch()",)


class Plain:
    """A class of somebody's own."""


@pytest.mark.parametrize(
    ("made", "named"),
    [(Harmful, "system"), (Evil, "eval"), (lambda mark: Plain(), "Plain"), (lambda mark: mark, "Path")],
    ids=["system", "eval", "class", "path"],
)
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, made: Callable[[Path], Any], named: str) -> None:
    mark = tmp_path / "mark"
    text = refusal(write_checkpoint(tmp_path, extra={"args": made(mark)}))
    assert "refused" in text and named in text
    assert not mark.exists()
    with pytest.raises(Exception):  # noqa: B017 (what is checked is that the file would do harm)
        torch.load(tmp_path / "model.pt", weights_only=False)["nothing of this name"]
    assert mark.exists() == (made in (Harmful, Evil))


def test_a_bare_pickle_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Harmful(tmp_path / "mark")))
    assert "archive" in refusal(tmp_path)
    torch.save({"model": random_weights(TINY)}, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    assert "archive" in refusal(tmp_path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99, 0.9999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = write_checkpoint(tmp_path) / "model.pt"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "download it again" in refusal(tmp_path)


def test_any_flipped_byte_of_the_weights_is_found(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path) / "model.pt"
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entries = [e for e in archive.infolist() if e.file_size > 1000]
    for entry in entries[::7]:
        changed = bytearray(content)
        changed[entry.header_offset + 400 + entry.file_size // 2] ^= 1
        path.write_bytes(changed)
        assert "download it again" in refusal(tmp_path)


def test_noise_in_the_file_gives_one_error_or_the_same_weights(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path) / "model.pt"
    content, expected = path.read_bytes(), random_weights(TINY)
    rng = np.random.default_rng(0)
    for _ in range(40):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            checkpoint = read_checkpoint(tmp_path)
        except ModelError as error:
            assert "\n" not in str(error)
        else:  # a byte of padding, a date, or the same byte again
            assert all(np.array_equal(checkpoint.weights[k], v) for k, v in expected.items())


def test_a_packed_archive_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path) / "model.pt"
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    assert "packed" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"not a checkpoint" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (write_checkpoint(tmp_path) / "model.pt").write_bytes(content)
    assert "model.pt" in refusal(tmp_path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    for content in ([1, 2], {"model": 3}, torch.ones(3), {"encoder.weight": torch.ones(3)}):
        torch.save(content, tmp_path / "model.pt")
        refusal(tmp_path)


def test_the_way_through_the_file_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, float, float]] = []
    read_checkpoint(write_checkpoint(tmp_path), lambda *progress: told.append(progress))
    assert {step for step, _, _ in told} == {"check the checkpoint"}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == told[-1][2]
