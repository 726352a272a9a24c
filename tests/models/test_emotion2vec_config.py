"""A published config.yaml becomes sizes, and nothing that is in it is run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import ModelError
from emotrace.models.emotion2vec_config import Emotion2vecConfig, parse_spec
from tests.models.checkpoints import BASE, LARGE, TINY, config_yaml

PUBLISHED = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"


@pytest.mark.parametrize("config", [TINY, BASE, LARGE])
def test_published_sizes_are_read(config: Emotion2vecConfig) -> None:
    assert Emotion2vecConfig.from_yaml(config_yaml(config)) == config


def test_the_published_convolutions_are_those_of_the_paper() -> None:
    assert parse_spec(PUBLISHED) == LARGE.conv_layers
    assert (LARGE.hop, LARGE.receptive_field, LARGE.conv_pos_kernel, LARGE.blocks) == (320, 400, 19, 12)


def test_a_number_that_yaml_takes_for_text_is_still_a_number() -> None:
    text = config_yaml(BASE).replace("norm_eps: 1.0e-05", "norm_eps: 1e-05")
    assert yaml.safe_load(text)["model_conf"]["norm_eps"] == "1e-05"
    assert Emotion2vecConfig.from_yaml(text).norm_eps == 1e-5


@given(st.integers(0, 200_000))
def test_frames_are_what_convolutions_give(samples: int) -> None:
    length = samples
    for _, kernel, stride in TINY.conv_layers:
        length = max(0, (length - kernel) // stride + 1) if length >= kernel else 0
    assert TINY.frames(samples) == length
    assert (length > 0) == (samples >= TINY.receptive_field)


def test_frames_agree_with_torch() -> None:
    for samples in (400, 401, 719, 720, 16_000):
        x = torch.zeros(1, 1, samples)
        for _, kernel, stride in TINY.conv_layers:
            x = torch.nn.functional.conv1d(x, torch.zeros(1, 1, kernel), stride=stride)
        assert x.shape[2] == TINY.frames(samples)


@pytest.mark.parametrize("heads", [1, 2, 8, 16])
def test_slopes_of_a_power_of_two_are_a_geometric_series(heads: int) -> None:
    config = BASE.model_copy(update={"heads": heads, "alibi_heads": heads})
    assert config.alibi_slopes() == tuple(2.0 ** (-8 * (i + 1) / heads) for i in range(heads))


def test_slopes_of_twelve_heads_take_every_second_of_sixteen() -> None:
    slopes = BASE.alibi_slopes()
    assert slopes[:8] == tuple(2.0**-i for i in range(1, 9))
    assert slopes[8:] == pytest.approx([2.0 ** -(i + 0.5) for i in range(4)])


def test_heads_without_a_distance_bias_have_slope_nought() -> None:
    slopes = LARGE.model_copy(update={"alibi_heads": 12}).alibi_slopes()
    assert len(slopes) == 16 and slopes[:12] == BASE.alibi_slopes() and set(slopes[12:]) == {0.0}


HOSTILE = [
    "__import__('os').system('touch {mark}')",
    "[(512, 10, 5)] + [__import__('os').system('touch {mark}')]",
    "[(512, 10, open('{mark}', 'w'))]",
    "[(512, 10, 5)] * 10**9",
    "[(512, 10, 5)] * 999999999",
    "[(512, 10, 5)] * 8000 * 8000 * 8000",
    "[(i, 10, 5) for i in range(10**9)]",
    "(lambda: [(512, 10, 5)])()",
    "[(512, 10, 5), (512, 3)]",
    "[(512, 10, 5.0)]",
    "[(512, 10, -5)]",
    "[(512, True, 5)]",
    "[(99999999, 10, 5)]",
    "[(512, 10, 5)] - [(512, 10, 5)]",
    "[" * 5000,
    "(" * 150 + ")" * 150,
    "[]",
    "",
    "[(512, 10, 5)] + " * 90 + "[(512, 10, 5)]",
    "x" * 100_000,
    "[(512, 10, 5)]\x00",
]


@pytest.mark.parametrize("spec", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_spec_is_refused_and_not_run(spec: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = config_yaml(TINY)
    published = yaml.safe_load(text)
    published["model_conf"]["modalities"]["audio"]["feature_encoder_spec"] = spec.replace("{mark}", str(mark))
    with pytest.raises(ModelError) as error:
        Emotion2vecConfig.from_yaml(yaml.safe_dump(published))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    assert not mark.exists()


@given(st.text(max_size=60))
def test_any_text_as_a_spec_gives_layers_or_one_error(text: str) -> None:
    try:
        layers = parse_spec(text)
    except ModelError:
        return
    assert all(len(layer) == 3 for layer in layers)


def audio(**changes: object) -> str:
    published = yaml.safe_load(config_yaml(TINY))
    published["model_conf"]["modalities"]["audio"].update(changes)
    return str(yaml.safe_dump(published))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "the whole"),
        ("[1, 2", "YAML"),
        ("- a\n- b", "the whole"),
        ("model: Paraformer\nmodel_conf: {}", "model"),
        ("model: Emotion2vec\nmodel_conf: 7", "model_conf"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
        ("a: " + "[" * 3000, "YAML"),
        ("a: " + "b" * 1_000_001, "characters"),
        (config_yaml(TINY, layer_norm_first=True), "layer_norm_first"),
        (config_yaml(TINY, embed_dim=25), "multiple"),
        (config_yaml(TINY, embed_dim=0), "embed_dim"),
        (config_yaml(TINY, embed_dim=10**9), "embed_dim"),
        (config_yaml(TINY, embed_dim=None), "embed_dim"),
        (config_yaml(TINY, num_heads="many"), "num_heads"),
        (config_yaml(TINY, depth=10**6), "depth"),
        (config_yaml(TINY, mlp_ratio=math.inf), "mlp_ratio"),
        (config_yaml(TINY, norm_eps=-1), "norm_eps"),
        (audio(extractor_mode="default"), "extractor_mode"),
        (audio(use_alibi_encoder=False), "use_alibi_encoder"),
        (audio(learned_alibi=True), "learned_alibi"),
        (audio(num_alibi_heads=7), "heads"),
        (audio(feature_encoder_spec=None), "feature_encoder_spec"),
        (audio(feature_encoder_spec="[(8, 1024, 1024)] * 9"), "samples"),
    ],
)
def test_what_is_no_such_config_is_one_clear_error(text: str, word: str) -> None:
    with pytest.raises(ModelError) as error:
        Emotion2vecConfig.from_yaml(text)
    assert word in str(error.value) and "\n" not in str(error.value)
