from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import run as run_process
from tests.cli.command import square, write
from tests.cli.conftest import Run

FRAMES = [
    {"emotion": "开心/happy", "score": 0.8, "timestamp": 0.0},
    {"emotion": "HAPPY", "score": 0.6, "timestamp": 0.04},
    {"emotion": "悲伤", "score": 0.9, "timestamp": 0.08},
    {"emotion": "happy", "score": 0.7, "timestamp": 0.12},
    {"emotion": "开心", "score": 0.5, "timestamp": 0.16},
    {"emotion": "sad", "score": 0.5, "timestamp": 0.2},
]


@pytest.fixture
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classic list of frames, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "frames.json"
    path.write_text(json.dumps(FRAMES, ensure_ascii=False), encoding="utf-8")
    return path


def test_the_classic_command(run: Run, frames: Path) -> None:
    code, out, err = run("smooth", "voting", "frames.json", "out.json")
    assert (code, err) == (0, "")
    assert out == "happy 0.625 (2 frames in out.json)\n"
    assert json.loads(Path("out.json").read_text("utf-8")) == [
        {"emotion": "happy", "score": 0.65, "timestamp": 0.08},
        {"emotion": "happy", "score": 0.6, "timestamp": 0.12},
    ]


def test_the_output_has_its_classic_name(run: Run, frames: Path) -> None:
    assert run("smooth", "ewma", "frames.json")[0] == 0
    [first, second, *_] = json.loads(Path("smoothed_result.json").read_text("utf-8"))
    assert (first["emotion"], first["score"], first["timestamp"]) == ("happy", 0.24, 0.0)
    assert second["all_scores"]["happy"] == round(0.3 * 0.6 + 0.7 * 0.24, 3)
    assert len(second["all_scores"]) == 9


@pytest.mark.parametrize("method", ["vote", "ewma", "median", "hmm", "hmm-online", "viterbi"])
def test_every_method_reads_standard_input_and_writes_standard_output(method: str, frames: Path) -> None:
    done = run_process("smooth", method, "-", "-", input=frames.read_text("utf-8"))
    assert (done.returncode, done.stderr) == (0, "")
    assert {record["emotion"] for record in json.loads(done.stdout)} <= {"happy", "sad"}


def test_a_closed_standard_input_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    code, out, err = run("smooth", "hmm", "-", "-")
    assert (code, out) == (3, "")
    assert err == "emotrace: standard input is closed; expected a list of frames on it\n"


def test_what_never_ends_is_not_read_to_the_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.cli.smooth.MOST_BYTES", 5_000_000)
    code, out, err = run("smooth", "hmm", "/dev/zero", "-")
    assert (code, out) == (3, "")
    assert err == "emotrace: '/dev/zero' is over 5.0 MB long; expected frames, in parts if need be\n"


def test_options_reach_the_smoother(run: Run, frames: Path) -> None:
    assert len(json.loads(run("smooth", "vote", frames, "-", "--window", "2", "--step", "2")[1])) == 3
    assert json.loads(run("smooth", "ewma", frames, "-", "--alpha", "1")[1])[2]["emotion"] == "sad"
    slow, quick = (
        json.loads(run("smooth", "hmm", frames, "-", "--dwell", dwell)[1])[0]["all_scores"]["happy"]
        for dwell in ("60", "0.1")
    )
    assert slow > quick
    assert json.loads(run("smooth", "hmm-online", frames, "-", "--lag", "0")[1])[0]["emotion"] == "happy"


@pytest.mark.parametrize(("option", "value"), [("--evidence", "0.5"), ("--trend", "0"), ("--trend", "2")])
def test_the_online_chain_takes_evidence_and_trend(run: Run, frames: Path, option: str, value: str) -> None:
    usual, other = (
        [record["all_scores"] for record in json.loads(run("smooth", *arguments)[1])]
        for arguments in (
            ("hmm-online", frames, "-", "--lag", "0"),
            ("hmm-online", frames, "-", "--lag", "0", option, value),
        )
    )
    assert usual != other


def test_what_analyze_writes_can_be_read(fake: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.wav", square(0.375, 2.0))
    code, out, _ = fake("analyze", "a.wav", "--granularity", "frame", "--json", "--out", ".")
    assert code == 0
    Path("result.json").write_text(out, encoding="utf-8")
    [folder] = tmp_path.glob("outputs_*")
    for source in ("result.json", folder / "frames.json"):
        code, out, _ = fake("smooth", "hmm", source)
        assert code == 0
        assert out.startswith("happy ")
        assert len(json.loads(Path("smoothed_result.json").read_text("utf-8"))) == 50


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not one JSON value"),
        ("{", "is not one JSON value"),
        ("{}\n{}\n", "several results came, give one"),
        ("[" * 100_000, "is not one JSON value"),
        ("3", "3 came; expected a list of frames"),
        ('{"emotion": "sad"}', "has no field 'frames'"),
        ('[{"emotion": "joyful", "score": 1, "timestamp": 0}]', "frame 0: 'joyful' is not an emotion label"),
        ('[{"emotion": "sad", "score": NaN, "timestamp": 0}]', "frame 0: its score is nan"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
    ],
)
def test_bad_files_are_one_sentence_and_leave_the_output_alone(
    run: Run, frames: Path, content: Any, sentence: str
) -> None:
    bad, kept = Path("bad.json"), Path("smoothed_result.json")
    bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    kept.write_text("before")
    code, out, err = run("smooth", "vote", "bad.json")
    assert (code, out) == (3, "")
    assert err.startswith("emotrace: 'bad.json'")
    assert sentence in err
    assert err.count("\n") == 1
    assert kept.read_text() == "before"
    assert sorted(path.name for path in Path().iterdir()) == [
        "bad.json",
        "frames.json",
        "smoothed_result.json",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected", "sentence"),
    [
        (["vote", "missing.json"], 3, "'missing.json' cannot be read"),
        (["vote", "."], 3, "'.' cannot be read: is a directory"),
        (["vote", "frames.json", "."], 7, "'.' is a folder"),
        (["vote", "frames.json", "nowhere/out.json"], 7, "does not exist"),
        (["ewma", "frames.json", "--alpha", "0"], 2, "alpha is 0"),
        (["ewma", "frames.json", "--alpha", "1.01"], 2, "alpha is 1.01"),
        (["vote", "frames.json", "--window", "0"], 2, "window is 0"),
        (["ewma", "frames.json", "--window", "3"], 2, "no effect on 'ewma'"),
        (["magic", "frames.json"], 2, "magic"),
    ],
)
def test_wrong_arguments(run: Run, frames: Path, arguments: list[str], expected: int, sentence: str) -> None:
    code, out, err = run("smooth", *arguments)
    assert (code, out) == (expected, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_an_empty_list_gives_an_empty_list(run: Run, frames: Path) -> None:
    frames.write_text("[]")
    assert run("smooth", "hmm", frames, "-") == (0, "[]\n", "")
    assert run("smooth", "hmm", frames)[1] == "unknown 0.000 (0 frames in smoothed_result.json)\n"


def test_the_input_may_be_the_output(run: Run, frames: Path) -> None:
    assert run("smooth", "vote", frames, frames)[0] == 0
    assert len(json.loads(frames.read_text("utf-8"))) == 2
