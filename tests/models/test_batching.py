"""Which waveforms share a batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.models.batching import ALONE, CPU, CUDA, EQUAL, Limits, plan
from emotrace.models.encoder import FakeEncoder

CARD = FakeEncoder().card.model_copy(update={"frame_hop": 0.02})

limits = st.builds(
    Limits,
    seconds=st.floats(0.1, 60),
    pairs=st.floats(1, 1e7),
    shortest=st.floats(0, 1),
)


@given(
    lengths=st.lists(st.integers(400, 60 * 16000), max_size=40),
    limits=st.one_of(limits, st.sampled_from([ALONE, EQUAL, CPU, CUDA])),
)
def test_every_waveform_once_and_no_batch_over_its_limits(lengths: list[int], limits: Limits) -> None:
    batches = plan(lengths, CARD, limits)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest, shortest = max(lengths[i] for i in batch), min(lengths[i] for i in batch)
        if len(batch) > 1:
            assert shortest >= limits.shortest * longest
            assert len(batch) * longest <= limits.seconds * 16000
            assert len(batch) * (longest / 320) ** 2 <= limits.pairs * (1 + 1e-9)
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize(("limits", "batches"), [(ALONE, 4), (EQUAL, 3), (CPU, 2), (CUDA, 2)])
def test_what_is_unlike_is_not_padded_together(limits: Limits, batches: int) -> None:
    assert len(plan([16000, 15500, 80000, 16000], CARD, limits)) == batches


def test_nothing_is_no_batch() -> None:
    assert plan([], CARD, CPU) == []
