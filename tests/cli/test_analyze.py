from __future__ import annotations

import csv
import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import ModelError
from emotrace.labels import LABELS
from emotrace.outputs import load_embedding
from emotrace.recognition import Recognizer
from emotrace.sample import sample_path
from tests.cli.command import square, write
from tests.cli.conftest import Run
from tests.outputs.made import names

HAPPY, SAD = 3 / 8, 6 / 8


@pytest.fixture
def happy(tmp_path: Path) -> Path:
    return write(tmp_path / "happy.wav", square(HAPPY))


@pytest.fixture
def sad(tmp_path: Path) -> Path:
    return write(tmp_path / "sad.wav", square(SAD, 1.2))


def records(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_one_input_is_one_json_object(fake: Run, happy: Path) -> None:
    code, out, err = fake("analyze", happy, "--json")
    [record] = records(out)
    assert (code, err) == (0, "")
    assert (record["emotion"], record["granularity"], record["source"]) == ("happy", "utterance", str(happy))
    assert sum(record["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert "frames" not in record
    assert "embedding" not in record


def test_several_inputs_are_json_lines_in_order_and_one_failure_stops_nothing(
    fake: Run, happy: Path, sad: Path, tmp_path: Path
) -> None:
    code, out, err = fake("analyze", happy, tmp_path / "missing.wav", sad, "--json")
    first, failed, last = records(out)
    assert code == 5
    assert (first["emotion"], last["emotion"]) == ("happy", "sad")
    assert failed["error"]["code"] == "audio"
    assert err.splitlines() == [
        f"emotrace: {str(tmp_path / 'missing.wav')!r} does not exist; expected an audio file",
        "emotrace: 1 of 3 inputs gave no result",
    ]


def test_frames_with_their_own_step(fake: Run, tmp_path: Path) -> None:
    both = np.concatenate([square(HAPPY, 2), square(SAD, 2)])
    path = write(tmp_path / "both.wav", both)
    code, out, _ = fake("analyze", path, "--json", "--granularity", "frame", "--hop", "0.1")
    [record] = records(out)
    frames = record["frames"]
    assert code == 0
    assert [f["timestamp"] for f in frames[:3]] == [0.0, 0.1, 0.2]
    assert len(frames) == 40
    assert (frames[0]["emotion"], frames[-1]["emotion"]) == ("happy", "sad")
    assert set(frames[0]["scores"]) == set(LABELS)


def test_segments(fake: Run) -> None:
    code, out, _ = fake("analyze", sample_path(), "--json", "--granularity", "segment")
    [record] = records(out)
    assert code == 0
    assert len(record["segments"]) >= 3
    assert all(s["start"] < s["end"] for s in record["segments"])
    assert sum(record["shares"].values()) == pytest.approx(1)
    assert record["speech_seconds"] < record["duration_seconds"]


def test_the_json_judges(fake: Run, happy: Path) -> None:
    _, out, _ = fake("analyze", happy, "--json")
    [record] = records(out)
    assert record["quality"]["speech_share"] == 0
    assert record["quality"]["content"] in ("music", "noise")
    assert record["verdict"]["decision"] == "drop"
    [reason, *_] = record["verdict"]["reasons"]
    assert reason["code"] in ("music", "not-speech")
    assert (record["smoothing"], record["change_points"]) == (None, [])


def test_without_checks_the_verdict_goes_by_the_measures(fake: Run, tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", square(HAPPY, 0.5))
    _, out, _ = fake("analyze", short, "--json", "--no-checks")
    [record] = records(out)
    assert [reason["code"] for reason in record["verdict"]["reasons"]] == ["too-short"]
    assert record["quality"]["snr_db"] is None
    assert record["warnings"] == []  # said once


def test_smoothing_goes_into_json_folder_and_table(fake: Run, tmp_path: Path) -> None:
    both = np.concatenate([square(HAPPY, 3), square(SAD, 3)])
    path = write(tmp_path / "both.wav", both)
    given = ("--smooth", "median", "--window", "5", "--no-checks")
    _, out, _ = fake("analyze", path, "--json", *given)
    [record] = records(out)
    assert "frames" not in record
    assert record["smoothing"] == {"method": "median", "latency_seconds": 0.08}
    assert [s["emotion"] for s in record["segments"]][:: len(record["segments"]) - 1] == ["happy", "sad"]
    assert record["change_points"][0]["before"] == "happy"
    assert sum(record["shares"].values()) == pytest.approx(1, abs=1e-5)
    code, out, _ = fake("analyze", path, "--granularity", "frame", *given, "--out", tmp_path / "out")
    [folder] = (tmp_path / "out").iterdir()
    assert code == 0
    assert "smoothed: median" in out
    assert names(folder) == ["frames.json", "frames_raw.json", "processed_audio.wav", "result.json"]
    assert json.loads((folder / "result.json").read_text())["smoothing"]["method"] == "median"


@pytest.mark.parametrize("method", ["vote", "voting", "ewma", "median", "hmm", "hmm-online", "viterbi"])
def test_every_method_gives_frames(fake: Run, happy: Path, method: str) -> None:
    code, out, _ = fake(
        "analyze", happy, "--json", "--no-checks", "--smooth", method, "--granularity", "frame"
    )
    [record] = records(out)
    assert code == 0
    assert record["smoothing"]["method"] == ("vote" if method == "voting" else method)
    assert {frame["emotion"] for frame in record["frames"]} == {"happy"}
    assert len(record["frames"]) == 25


def test_presets_of_ones_own(fake: Run, happy: Path, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[mine]\nmin_seconds = 5\ndrop = []\n")
    options = ("--preset", "mine", "--presets", tmp_path / "my.toml", "--json", "--no-checks")
    _, out, _ = fake("analyze", happy, *options)
    verdict = records(out)[0]["verdict"]
    assert (verdict["decision"], [reason["code"] for reason in verdict["reasons"]]) == ("flag", ["too-short"])


def test_the_embedding_only_if_asked_for(fake: Run, happy: Path) -> None:
    _, out, _ = fake("analyze", happy, "--json", "--embedding")
    assert len(records(out)[0]["embedding"]) == 2


def test_the_result_folder(fake: Run, happy: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "out"
    code, out, err = fake("analyze", happy, "--out", out_dir, "--embedding", "--granularity", "frame")
    [folder] = out_dir.iterdir()
    assert code == 0
    assert err == f"emotrace: written to {str(folder)!r}\n"
    assert names(folder) == ["embedding.npy", "frames.json", "processed_audio.wav", "result.json"]
    assert load_embedding(folder / "embedding.npy").shape == (25, 1)
    with wave.open(str(folder / "processed_audio.wav")) as file:
        assert file.getnframes() == 16000
    assert json.loads((folder / "result.json").read_text())["emotion"] == "happy"
    assert "happy" in out


def test_json_tells_the_folder(fake: Run, happy: Path, tmp_path: Path) -> None:
    code, out, err = fake("analyze", happy, happy, "--json", "--out", tmp_path / "out")
    folders = [record["folder"] for record in records(out)]
    assert (code, err) == (0, "")
    assert sorted(folders) == sorted(map(str, (tmp_path / "out").iterdir()))
    assert [json.loads(Path(f, "result.json").read_text())["timestamp"] for f in folders] == [
        record["timestamp"] for record in records(out)
    ]


def test_csv_beside_the_table(fake: Run, happy: Path, sad: Path, tmp_path: Path) -> None:
    code, out, _ = fake("analyze", happy, tmp_path / "none.wav", sad, "--csv", tmp_path / "t.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text("utf-8"))))
    assert code == 5
    assert [row["emotion"] for row in rows] == ["happy", "", "sad"]
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert "happy" in out


def test_csv_on_standard_output_has_it_for_itself(fake: Run, happy: Path) -> None:
    code, out, err = fake("analyze", happy, "--csv", "-")
    [row] = csv.DictReader(io.StringIO(out))
    assert (code, err, row["emotion"]) == (0, "", "happy")


def test_the_picture(fake: Run, happy: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code, out, _ = fake("analyze", happy, "--plot", tmp_path / "p.png", "--json")
    assert code == 0
    assert (tmp_path / "p.png").read_bytes()[1:4] == b"PNG"
    assert "frames" not in records(out)[0]  # a picture over time asks for no frames in the result


def test_a_channel(fake: Run, tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    both = np.stack([square(HAPPY), square(SAD)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes((both * 32767).astype("<i2").tobytes())
    found = [fake("analyze", path, "--json", "--channel", n) for n in ("0", "1", "2")]
    assert [records(out)[0].get("emotion") for _, out, _ in found] == ["happy", "sad", None]
    assert [code for code, _, _ in found] == [0, 0, 3]
    assert "has no channel 2" in found[2][2]


def test_clips_of_the_speaker(fake: Run, happy: Path, sad: Path) -> None:
    _, out, _ = fake("analyze", sad, "--json", "--reference", happy, "--reference", happy)
    [record] = records(out)
    assert record["reference"] == "given"


def test_a_clip_of_the_speaker_that_is_missing_ends_the_run(fake: Run, happy: Path, tmp_path: Path) -> None:
    code, out, err = fake("analyze", happy, "--json", "--reference", tmp_path / "no.wav")
    assert (code, out) == (3, "")
    assert "no.wav' does not exist" in err


def test_one_speaker(fake: Run, happy: Path, sad: Path, tmp_path: Path) -> None:
    code, out, _ = fake(
        "analyze", happy, tmp_path / "x.wav", tmp_path / "*.mp3", sad, "--json", "--one-speaker"
    )
    found = records(out)
    assert code == 5
    assert [record.get("reference") for record in found] == ["batch", None, None, "batch"]
    assert [record["source"] for record in found] == [
        *map(str, (happy, tmp_path / "x.wav", tmp_path / "*.mp3", sad))
    ]


def test_limits(fake: Run, sad: Path) -> None:
    code, _, err = fake("analyze", sad, "--max-seconds", "1")
    assert code == 3
    assert "longer than the limit of 1 s" in err


def test_what_is_longer_than_whole_seconds_is_cut(fake: Run) -> None:
    _, out, _ = fake("analyze", sample_path(), "--json", "--whole-seconds", "5")
    assert records(out)[0]["segments"]
    _, out, _ = fake("analyze", sample_path(), "--json")
    assert not records(out)[0]["segments"]


def test_a_whole_folder(fake: Run, happy: Path, sad: Path, tmp_path: Path) -> None:
    code, out, _ = fake("analyze", tmp_path, "--json")
    assert code == 0
    assert [record["emotion"] for record in records(out)] == ["happy", "sad"]


def test_silence_is_no_speech_and_no_emotion(fake: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "s.wav", np.zeros(16000))
    code, out, _ = fake("analyze", path, "--json")
    assert code == 4
    assert records(out)[0]["error"]["code"] == "no-speech"
    code, out, _ = fake("analyze", path, path)
    assert (code, out) == (4, "")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--json", "--csv", "-"], "both write to standard output"),
        (["--embedding"], "add --json or --out"),
        (["--hop", "0.1"], "without --granularity frame"),
        (["--track-method", "frame-head"], "without --granularity frame"),
        (["--window", "5"], "--window has no effect without --smooth"),
        (["--lag", "0"], "--lag has no effect without --smooth"),
        (["--smooth", "hmm", "--alpha", "0.5"], "option alpha has no effect on 'hmm'"),
        (["--smooth", "ewma", "--alpha", "0"], "option alpha is 0.0; expected greater than 0"),
        (["--smooth", "vote", "--window", "0"], "option window is 0"),
        (["--smooth", "magic"], "hmm-online"),
        (["--preset", "nope"], "there is no preset 'nope'"),
        (["--granularity", "frame", "--hop", "0.03"], "multiple of 0.02"),
        (["--granularity", "frame", "--hop", "nan"], "option hop"),
        (["--granularity", "frame", "--hop", "x"], "'--hop': 'x'; expected a valid number (see"),
        (["--granularity", "word"], "utterance"),
        (["--one-speaker", "--reference", "a.wav"], "contradict"),
        (["--one-speaker", "-"], "save it to a file"),
        (["-", "-"], "twice"),
        (["--csv", "other.WAV"], "would replace a recording"),
        (["--plot", "p.jpg"], "expected .png or .svg"),
        (["b.wav", "--plot", "p.png"], "2 inputs were given"),
        (["--threads", "-1"], "threads is -1"),
        (["--channel", "-1"], "option channel"),
        (["--whole-seconds", "0"], "option whole_seconds"),
        (["--max-seconds", "nan"], "max_seconds is nan"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_options_are_one_sentence(
    run: Run, happy: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], complaint: str
) -> None:
    monkeypatch.chdir(happy.parent)
    code, out, err = run("analyze", happy, *options)
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.startswith("emotrace: ")
    assert err.count("\n") == 1
    assert names(happy.parent) == ["happy.wav"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--model", "nope"], "model 'nope' is not installed"),
        (["--precision", "int8"], "has no int8 graph"),
        (["--model", "."], "model.json"),
    ],
)
def test_models_that_are_not_there(run: Run, happy: Path, options: list[str], complaint: str) -> None:
    code, out, err = run("analyze", happy, *options)
    if "int8" in options and code == 0:
        pytest.skip("the built-in model has an int8 graph")
    assert (code, out) == (6, "")
    assert complaint in err
    assert err.count("\n") == 1


def test_a_broken_model_is_told_once(
    run: Run, happy: Path, sad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ModelError("model 'compact' is damaged; install it again")

    monkeypatch.setattr(Recognizer, "recognize", broken)
    code, out, err = run("analyze", happy, sad)
    assert (code, out) == (6, "")
    assert err == "emotrace: model 'compact' is damaged; install it again\n"


def test_a_broken_model_is_told_once_for_one_speaker(
    run: Run, happy: Path, sad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ModelError("the model is damaged")

    monkeypatch.setattr("emotrace.models.runtime.OnnxEncoder._load", broken)
    code, out, err = run("analyze", happy, sad, "--one-speaker")
    assert (code, out, err) == (6, "", "emotrace: the model is damaged\n")


def test_a_bug_on_one_input_does_not_stop_the_others(
    fake: Run, happy: Path, sad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Recognizer.recognize

    def recognize(self: Recognizer, source: Any, **options: Any) -> Any:
        if source == str(happy):
            raise RuntimeError("something\nodd")
        return real(self, source, **options)

    monkeypatch.setattr(Recognizer, "recognize", recognize)
    code, out, err = fake("analyze", happy, sad, "--json")
    failed, good = records(out)
    assert code == 1
    assert failed["error"]["code"] == "bug"
    assert good["emotion"] == "sad"
    assert f"emotrace: {happy}: unexpected error, a bug of emotrace: RuntimeError: something\\nodd" in err


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    fake: Run, happy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recognizer, "recognize", lambda *_, **__: pytest.fail("the work began"))
    (tmp_path / "file").touch()
    for option, place in (("--out", "file"), ("--csv", "no/t.csv"), ("--plot", "no/p.png"), ("--csv", ".")):
        code, out, err = fake("analyze", happy, option, tmp_path / place)
        assert (code, out) == (7, "")
        assert err.startswith("emotrace: ")
        assert err.count("\n") == 1
    assert names(tmp_path) == ["file", "happy.wav"]


def test_a_failed_write_is_told_and_the_others_are_still_done(
    fake: Run, happy: Path, sad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotrace.outputs import folder

    real = folder.write_wav

    def write_wav(path: Path, blocks: Any) -> None:
        if not seen:
            seen.append(path)
            raise OSError(28, "No space left on device")
        real(path, blocks)

    seen: list[Path] = []
    monkeypatch.setattr(folder, "write_wav", write_wav)
    code, out, err = fake("analyze", happy, sad, "--out", tmp_path / "out", "--json")
    first, last = records(out)
    assert code == 7
    assert (first["emotion"], last["emotion"]) == ("happy", "sad")
    assert "folder" not in first
    assert names(tmp_path / "out") == [Path(last["folder"]).name]
    assert err.count("the disk is full") == err.count("\n") == 1


def test_an_embedding_of_frames_needs_the_folder_only(fake: Run, happy: Path) -> None:
    code, out, _ = fake("analyze", happy, "--json", "--embedding", "--granularity", "frame")
    [record] = records(out)
    assert code == 0
    assert len(record["embedding"]) == 2
    assert len(record["frames"]) == 25


def test_the_built_in_model(run: Run) -> None:
    code, out, err = run("analyze", sample_path(), "--json")
    [record] = records(out)
    assert (code, err) == (0, "")
    assert record["emotion"] in LABELS
    assert record["confidence"] == max(record["scores"].values())
    assert record["model"]["name"] == "compact"
