import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from emotrace.evaluation.metrics import (
    expected_calibration_error,
    interval_by_speaker,
    unweighted_average_recall,
)

LABELS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=60)


@given(LABELS)
def test_recall_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, guess = zip(*pairs, strict=True)
    there = sorted(set(truth))
    expected = recall_score(truth, guess, labels=there, average="macro")
    assert unweighted_average_recall(truth, guess) == pytest.approx(expected)


@pytest.mark.parametrize("truth, guess", [([], []), ([1], [1, 2])])
def test_recall_refuses_what_has_no_answer(truth: list[int], guess: list[int]) -> None:
    with pytest.raises(ValueError, match="expected two equal, non-empty"):
        unweighted_average_recall(truth, guess)


def test_calibration_error_of_overconfidence_is_the_gap() -> None:
    assert expected_calibration_error([0.9] * 10, [1] * 5 + [0] * 5) == pytest.approx(0.4)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_calibration_error_lies_between_0_and_1(pairs: list[tuple[float, bool]]) -> None:
    confidence, correct = zip(*pairs, strict=True)
    assert 0 <= expected_calibration_error(confidence, correct) <= 1


def test_interval_draws_whole_speakers_of_each_stratum() -> None:
    speakers = ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    strata = ["x"] * 6 + ["y"] * 3
    drawn: list[set[str]] = []

    def figure(where: np.ndarray) -> float:
        assert len(where) == 9
        chosen = np.array(speakers)[where]
        drawn.append(set(chosen))
        return float(np.mean(chosen == "a"))

    low, high = interval_by_speaker(figure, speakers, strata, draws=200)
    assert low == 0
    assert high == pytest.approx(2 / 3)
    assert all("c" in chosen for chosen in drawn)
    assert {"a", "c"} in drawn
