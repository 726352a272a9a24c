from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from emotrace.outputs import frame_records, recognition_record
from emotrace.pipeline import PipelineOptions, judged
from emotrace.results import Recognition
from emotrace.server import schemas
from tests.outputs.made import made, track


def full() -> Recognition:
    """A recognition with everything in it."""
    emotions = [*["happy"] * 150, None, *["sad"] * 150]
    options = PipelineOptions.of(smoothing={"method": "median"})
    result = judged(made(track=track(emotions), confidence=0.3, warnings=("quiet",)), options)
    assert result.segments
    assert result.change_points
    assert result.verdict is not None
    assert result.verdict.reasons
    return result


def test_the_schema_is_the_record() -> None:
    result = full()
    record = recognition_record(result, granularity="frame", embedding=True)
    assert result.track is not None
    record["frames"] = list(frame_records(result.track))
    found = schemas.Recognition.model_validate(record).model_dump(mode="json", exclude_unset=True)
    assert found == record
    assert set(schemas.Recognition.model_fields) == {*record, "id", "not_kept"}


def test_what_is_not_there_fits_as_well() -> None:
    schemas.Recognition.model_validate(recognition_record(made()))
    silent = replace(made(), measures=replace(made().measures, level_db=-np.inf))
    schemas.Recognition.model_validate(recognition_record(silent))


def test_a_field_that_the_schema_does_not_know_is_found() -> None:
    with pytest.raises(ValidationError):
        schemas.Recognition.model_validate({**recognition_record(made()), "new": 1})
