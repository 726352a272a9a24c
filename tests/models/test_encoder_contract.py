"""What every Encoder keeps to, whichever model is behind it."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import DeviceError, InputError
from emotrace.labels import LABELS
from emotrace.models import registry
from emotrace.models.batching import Limits
from emotrace.models.encoder import Encoder, Encoding, FakeEncoder, fewest_samples
from emotrace.models.loading import load_encoder
from emotrace.models.package import ModelPackage
from emotrace.models.runtime import OnnxEncoder
from emotrace.models.selection import cuda_driver
from emotrace.models.torch_runtime import TorchEncoder
from emotrace.results import Array
from tests.models.speech_packages import graph_package, speech_package
from tests.voices import voice

FIELDS = ("logits", "embedding", "frames", "frame_logits", "spectrum")


def builtin() -> OnnxEncoder:
    return OnnxEncoder(ModelPackage(registry.builtin_folder()), threads=1)


def made(make: Callable[..., object], folder: str, **options: Any) -> Callable[[], Encoder]:
    """Loads a package that is written at its first use."""

    def load() -> Encoder:
        path = FOLDER / folder
        if not path.exists():
            make(path)
        return load_encoder(ModelPackage(path), **options)

    return load


def on_gpu(load: Callable[[], Encoder]) -> Callable[[], Encoder]:
    """Skips the test, with the reason, where there is no GPU or nothing that uses it."""

    def load_or_skip() -> Encoder:
        if not cuda_driver():
            pytest.skip("needs a GPU and its driver")
        try:
            return load()
        except DeviceError as error:
            pytest.skip(str(error))

    return load_or_skip


FOLDER = Path(tempfile.mkdtemp(prefix="emotrace-test-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

with_int8 = functools.partial(speech_package, quantised=True)
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "fake": FakeEncoder,
    "compact": builtin,
    "speech fp32": made(with_int8, "speech", precision="fp32", threads=1),
    "speech int8": made(with_int8, "speech", precision="int8", threads=1),
    "graph fp32": made(graph_package, "graph", precision="fp32", threads=1),
    "graph int8": made(graph_package, "graph", precision="int8", threads=1),
    "torch": made(graph_package, "graph", runtime="torch", device="cpu"),
    "graph cuda": on_gpu(made(graph_package, "graph", runtime="onnxruntime", device="cuda")),
    "torch cuda": on_gpu(made(graph_package, "graph", runtime="torch", device="cuda")),
}
"""Every encoder that the package has: a new one is added here and nowhere else."""


@functools.cache
def loaded(name: str) -> Encoder:
    """One of them, loaded once."""
    if name == "torch":
        import torch

        torch.set_num_threads(1)  # its waiting threads take the cores from other tests
    return ENCODERS[name]()


lengths = st.lists(st.sampled_from([1600, 1601, 1919, 4000, 4001, 16000, 23999]), min_size=1, max_size=6)


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return loaded(request.param)


def difference(a: Encoding, b: Encoding) -> float:
    """Largest difference of any number.

    In the built-in model's embedding are roots of variances down to 1e-5, which magnify a rounding by up to
    150: it counts a fifth.
    """
    weight = {"embedding": 0.2 if a.spectrum.size > 2 else 1.0}
    parts = [weight.get(f, 1.0) * np.abs(getattr(a, f) - getattr(b, f)).max(initial=0.0) for f in FIELDS]
    return float(max([*parts, abs(a.active_seconds - b.active_seconds)]))


def some_reference(encoder: Encoder, strength: float = 1.0) -> Array:
    size = encoder.card.reference_size
    return np.asarray(strength * np.cos(np.arange(size) / 5), np.float32)


@pytest.mark.parametrize("samples", [1600, 1601, 16000, 47999])
def test_shapes_and_types_are_those_of_the_card(encoder: Encoder, samples: int) -> None:
    card = encoder.card
    [encoding] = encoder.encode([voice(samples)])
    count = len(encoding.frames)
    assert encoding.logits.shape == (len(LABELS),)
    assert encoding.embedding.shape == (card.embedding_size,)
    assert encoding.frames.shape == (count, card.frame_size)
    assert encoding.frame_logits.shape == (count, len(LABELS))
    assert encoding.spectrum.shape == (card.reference_size,)
    assert {getattr(encoding, field).dtype for field in FIELDS} == {np.dtype(np.float32)}
    assert isinstance(encoding.active_seconds, float)
    if card.speaker_reference:
        assert 0 < encoding.active_seconds <= samples / 16000 + 1e-6


@given(samples=st.integers(1600, 40000))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("name", ENCODERS)
def test_every_frame_starts_inside_the_sound_and_none_is_missing(name: str, samples: int) -> None:
    encoder = loaded(name)
    [encoding] = encoder.encode([voice(samples)])
    hop = round(encoder.card.frame_hop * 16000)
    field = encoder.card.network.receptive_field if encoder.card.network else hop
    assert (samples - field) // hop + 1 <= len(encoding.frames) <= -(-samples // hop)


@given(lengths=lengths, data=st.data())
@settings(max_examples=12, deadline=None)
@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_equals_one_by_one_in_any_order(name: str, lengths: list[int], data: st.DataObject) -> None:
    encoder = loaded(name)
    waveforms = [voice(n, seed=i) for i, n in enumerate(lengths)]
    references = [some_reference(encoder) if i % 2 else None for i in range(len(lengths))]
    alone = [encoder.encode([w], [r])[0] for w, r in zip(waveforms, references, strict=True)]
    order = data.draw(st.permutations(range(len(lengths))))
    together = encoder.encode([waveforms[i] for i in order], [references[i] for i in order])
    assert max(difference(one, alone[i]) for one, i in zip(together, order, strict=True)) < 1e-5


def test_batches_larger_than_the_memory_bound_are_cut_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = loaded("compact")
    waveforms = [voice(3200, seed=i) for i in range(7)]
    whole = encoder.encode(waveforms)
    monkeypatch.setattr("emotrace.models.runtime.EQUAL", Limits(0.5, np.inf, 1.0))
    cut = encoder.encode(waveforms)
    assert max(difference(a, b) for a, b in zip(whole, cut, strict=True)) < 1e-5


def test_a_reference_changes_what_it_is_given_for_and_nothing_else(encoder: Encoder) -> None:
    waveforms = [voice(8000, seed=i) for i in range(3)]
    plain = encoder.encode(waveforms)
    mixed = encoder.encode(waveforms, [None, some_reference(encoder), None])
    assert difference(plain[0], mixed[0]) < 1e-5
    assert difference(plain[2], mixed[2]) < 1e-5
    if encoder.card.speaker_reference:
        assert np.abs(plain[1].logits - mixed[1].logits).max() > 1e-5
        assert np.abs(plain[1].spectrum - mixed[1].spectrum).max() < 1e-5
    else:
        assert difference(plain[1], mixed[1]) < 1e-5


def test_no_references_and_only_none_are_the_same(encoder: Encoder) -> None:
    [a] = encoder.encode([voice(8000)])
    [b] = encoder.encode([voice(8000)], [None])
    assert difference(a, b) == 0


def test_the_shortest_works_and_a_sample_less_is_refused(encoder: Encoder) -> None:
    fewest = fewest_samples(encoder.card)
    assert fewest == pytest.approx(encoder.card.min_seconds * 16000)
    [encoding] = encoder.encode([voice(fewest)])
    assert np.isfinite(encoding.logits).all()
    shortest = encoder.card.min_seconds
    told = rf"lasts {shortest - 1 / 16000:.3f} s; the model '\w+' needs at least {shortest:g} s"
    with pytest.raises(InputError, match=told):
        encoder.encode([voice(fewest), voice(fewest - 1)])


def test_the_longest_works_and_a_sample_more_is_refused() -> None:
    encoder = loaded("speech fp32")
    [encoding] = encoder.encode([voice(60 * 16000)])
    assert len(encoding.frames) == 2999
    with pytest.raises(
        InputError, match=r"lasts 60\.0 s; the model 'speech' takes at most 60 s in one piece"
    ):
        encoder.encode([voice(60 * 16000 + 1)])


def test_an_empty_waveform_is_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match=r"too short"):
        encoder.encode([np.zeros(0, np.float32)])


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.encode([]) == []


def test_as_many_references_as_waveforms(encoder: Encoder) -> None:
    with pytest.raises(ValueError):
        encoder.encode([voice(8000), voice(8000)], [None])


def test_waveforms_are_only_read(encoder: Encoder) -> None:
    waveform = voice(8000)
    waveform.flags.writeable = False
    before = waveform.copy()
    encoder.encode([waveform, waveform[:4000], waveform[::2]])
    assert np.array_equal(waveform, before)


@pytest.mark.parametrize(
    "sound",
    {
        "silence": np.zeros(8000),
        "offset": np.full(8000, 0.5),
        "tiny": np.full(8000, 1e-30),
        "full scale": np.ones(8000),
        "click": np.eye(1, 8000)[0],
        "square": np.sign(np.sin(np.arange(8000) / 10)),
        "much too loud": 1e6 * np.sin(np.arange(8000) / 10),
    }.items(),
    ids=lambda item: item[0],
)
def test_odd_sounds_give_finite_numbers(encoder: Encoder, sound: tuple[str, Array]) -> None:
    [encoding] = encoder.encode([sound[1].astype(np.float32)])
    assert all(np.isfinite(getattr(encoding, field)).all() for field in FIELDS)
    assert np.isfinite(encoding.active_seconds)


@pytest.mark.parametrize("name", ENCODERS)
def test_many_threads_load_once_and_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = ENCODERS[name]()
    loads = []
    if isinstance(encoder, OnnxEncoder | TorchEncoder):
        load = encoder._load

        def counted() -> object:
            loads.append(threading.get_ident())
            return load()

        monkeypatch.setattr(encoder, "_load", counted)
    waveforms = [voice(4000 + 160 * (i % 3), seed=i) for i in range(8)]
    expected = loaded(name).encode(waveforms)
    start = threading.Barrier(4)

    def work(part: int) -> list[Encoding]:
        start.wait()
        return encoder.encode(waveforms[2 * part : 2 * part + 2])

    with ThreadPoolExecutor(4) as pool:
        got = [encoding for part in pool.map(work, range(4)) for encoding in part]
    assert max(difference(a, b) for a, b in zip(got, expected, strict=True)) < 1e-5
    assert len(loads) <= 1


@pytest.mark.parametrize("gain_db", [-20, -6, 20])
def test_level_changes_nothing_in_the_built_in_model(gain_db: float) -> None:
    encoder = loaded("compact")
    for seed in range(3):
        waveform = voice(32000, seed=seed, level=0.05)
        louder = waveform * np.float32(10 ** (gain_db / 20))
        [a], [b] = encoder.encode([waveform]), encoder.encode([louder])
        assert np.abs(a.logits - b.logits).max() < 1e-3
        assert np.abs(a.spectrum - b.spectrum).max() < 1e-2


def test_the_graphs_say_what_the_network_says() -> None:
    torch, fp32, int8 = (loaded(name) for name in ("torch", "graph fp32", "graph int8"))
    waveforms = [voice(n, seed=n) for n in (400, 1601, 16000, 47999)]
    for a, b, c in zip(torch.encode(waveforms), fp32.encode(waveforms), int8.encode(waveforms), strict=True):
        assert np.abs(a.frames - b.frames).max() < 2e-5
        assert np.abs(a.logits - b.logits).max() < 1e-5
        assert np.abs(a.frames - c.frames).max() < 0.5
        assert 0 < np.abs(a.logits - c.logits).max() < 0.5


@pytest.mark.parametrize(
    ("runtime", "precision"), [("onnxruntime", "fp32"), ("torch", "fp32"), ("torch", "bf16")]
)
def test_cuda_says_what_the_cpu_says(runtime: str, precision: str) -> None:
    how = {"runtime": runtime, "precision": precision, "device": "cuda"}
    gpu = on_gpu(made(graph_package, "graph", **how))()
    waveforms = [voice(n, seed=n) for n in (400, 1601, 16000, 47999, 320000)]
    frames, logits = (0.3, 0.3) if precision == "bf16" else (2e-5, 1e-5)
    for a, b in zip(gpu.encode(waveforms), loaded("torch").encode(waveforms), strict=True):
        assert np.abs(a.frames - b.frames).max() < frames
        assert np.abs(a.logits - b.logits).max() < logits
    assert (gpu.info.device, gpu.info.precision) == ("cuda", precision)


def test_the_temperature_divides_the_logits() -> None:
    package = ModelPackage(registry.builtin_folder())
    [cool] = OnnxEncoder(package, threads=1).encode([voice(8000)])
    package.card = package.card.model_copy(update={"temperature": package.card.temperature * 2})
    [warm] = OnnxEncoder(package, threads=1).encode([voice(8000)])
    assert np.allclose(warm.logits * 2, cool.logits, atol=1e-5)
    assert np.allclose(warm.frame_logits * 2, cool.frame_logits, atol=1e-5)
    assert np.allclose(warm.embedding, cool.embedding, atol=1e-6)


def test_the_fake_hears_loudness() -> None:
    tones = [np.full(1600, level, np.float32) for level in np.linspace(0, 1, 9)]
    fake = FakeEncoder()
    assert [int(e.logits.argmax()) for e in fake.encode(tones)] == list(range(9))
    assert fake.batches == [9]
    [shifted] = fake.encode([tones[4]], [np.array([0.25], np.float32)])
    assert int(shifted.logits.argmax()) == 2
