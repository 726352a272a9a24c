from __future__ import annotations

from pathlib import Path

import numpy as np

from emotrace.models.encoder import FakeEncoder
from emotrace.postprocess.labelled import LabelledClip
from emotrace.postprocess.scoring import score_clips
from emotrace.recognition import Recognizer
from tests.cli.command import square, write


def test_recognition_of_what_has_no_scores(tmp_path: Path) -> None:
    clips = [
        LabelledClip(str(write(tmp_path / "happy.wav", square(0.375))), "happy", "anna"),
        LabelledClip(str(tmp_path / "nothing.wav"), "sad", "anna"),
        LabelledClip("", "sad", "ben", scores={"happy": 0.5, "sad": 0.5}),
        LabelledClip(str(write(tmp_path / "sad.wav", square(0.75))), "happy", "ben"),
    ]
    steps: list[float] = []
    scored, [failure] = score_clips(
        clips,
        recognizer=lambda: Recognizer(encoder=FakeEncoder()),
        on_progress=lambda _, done, __: steps.append(done),
    )
    assert scored.right.tolist() == [True, False, False]  # of equals the first label counts
    assert scored.speakers == ("anna", "ben", "ben")
    assert np.all(scored.gap <= scored.confidence)
    assert failure.source.endswith("nothing.wav")
    assert steps == [1, 2, 3]


def test_no_model_is_loaded_if_all_scores_are_there() -> None:
    def never() -> Recognizer:
        raise AssertionError

    scored, _ = score_clips([LabelledClip("", "sad", scores={"sad": 0.9, "happy": 0.1})], recognizer=never)
    assert len(scored) == 1
    assert len(score_clips([], recognizer=never)[0]) == 0
