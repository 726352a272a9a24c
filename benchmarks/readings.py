"""How good the readings of a live stream are: ``python benchmarks/readings.py --data DIR [--count 60]``.

Stitched recordings of the validation speakers, sent live: how often a reading names the emotion that is
spoken in the middle of its window, and the emotion that the track of the whole has there; the same of the
smoothed readings, for several settings of the smoother.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.stitched import Stitched, stitched
from emotrace import LABELS, EmotionReading, PipelineOptions, Recognizer, stream
from emotrace.errors import NoSpeechError
from emotrace.results import EmotionTrack
from emotrace.timing import SAMPLING_RATE

SETTINGS: tuple[dict[str, Any], ...] = (
    {"method": "hmm-online"},
    {"method": "hmm-online", "dwell": 8.0},
    {"method": "hmm-online", "lag": 1.0},
    {"method": "vote"},
    {"method": "ewma"},
)


def measure(recognizer: Recognizer, recordings: list[Stitched], smoothing: dict[str, Any]) -> dict[str, Any]:
    """Shares over all readings."""
    right, like_track, track_right, smooth_right = [], [], [], []
    switches, smooth_switches = 0, 0
    for recording in recordings:
        readings, track = live(recognizer, recording, smoothing)
        named = [reading.emotion for reading in readings]
        switches += sum(a != b for a, b in pairwise(named))
        smoothed = []
        for reading in readings:
            middle = (reading.start + reading.time) / 2
            truth = spoken(recording, middle)
            right.append(reading.emotion == truth)
            there = track.emotions[min(int(middle / track.hop), len(track) - 1)]
            if there is not None:
                like_track.append(reading.emotion == there)
                track_right.append(there == truth)
            if reading.smoothed is not None:
                smoothed.append(LABELS[int(reading.smoothed.argmax())])
                earlier = spoken(recording, max(0.0, middle - reading.latency_seconds))
                smooth_right.append(smoothed[-1] == earlier)
        smooth_switches += sum(a != b for a, b in pairwise(smoothed))
    return {
        "smoothing": smoothing,
        "readings": len(right),
        "right": round(float(np.mean(right)), 3),
        "as the track": round(float(np.mean(like_track)), 3),
        "track right": round(float(np.mean(track_right)), 3),
        "smoothed right": round(float(np.mean(smooth_right)), 3),
        "switches of 100 readings": round(100 * switches / len(right), 1),
        "smoothed": round(100 * smooth_switches / max(1, len(smooth_right)), 1),
    }


def live(
    recognizer: Recognizer, recording: Stitched, smoothing: dict[str, Any]
) -> tuple[list[EmotionReading], EmotionTrack]:
    """The readings of a recording, and the track that its upload has."""
    options = PipelineOptions.of(smoothing=smoothing, checks=False, rules=None)
    session = stream(recognizer, SAMPLING_RATE, options)
    events = session.push(recording.samples)
    try:
        events += session.finish()
    except NoSpeechError:
        return [], EmotionTrack(np.zeros(0, np.float32), np.zeros((0, 9), np.float32), 0.04, "")
    track = recognizer.recognize((recording.samples, SAMPLING_RATE), frames=True, segments=True).track
    assert track is not None
    return [event for event in events if isinstance(event, EmotionReading)], track


def spoken(recording: Stitched, time: float) -> str:
    """The emotion that is spoken at a time."""
    return LABELS[int(recording.truth(np.array([time]))[0])]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared recordings")
    parser.add_argument("--count", type=int, default=60, help="stitched recordings")
    args = parser.parse_args()
    recordings = list(stitched(args.data, "validation", args.count))
    recognizer = Recognizer("compact", threads=1)
    for smoothing in SETTINGS:
        print(json.dumps(measure(recognizer, recordings, smoothing)), flush=True)


if __name__ == "__main__":
    main()
