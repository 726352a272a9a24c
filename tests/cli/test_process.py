"""The installed command as a process: pipes, signals, full disks, speed."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from emotrace.sample import sample_path
from tests.cli.command import COMMAND, environment, run, square, unmeasured, write
from tests.clock import wait_for
from tests.outputs.made import names


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write(tmp_path / "talk.wav", square(0.4))


def start(*arguments: str | Path, **options: Any) -> Any:
    """Start the command; all its ends are pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = {**pipes, "env": environment(), **options}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], **options)


def test_standard_input(sound: Path, tmp_path: Path) -> None:
    done = run(
        "analyze",
        "-",
        "--json",
        "--out",
        tmp_path / "out",
        input=sound.read_bytes(),
        text=False,
        encoding=None,
    )
    record = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (record["source"], record["duration_seconds"]) == ("<stdin>", 1.0)
    assert names(Path(record["folder"])) == ["processed_audio.wav", "result.json"]


def test_the_package_is_the_command_too() -> None:
    done = subprocess.run([sys.executable, "-m", "emotrace", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, run("--version").stdout)


@pytest.mark.parametrize("content", [b"", b"This is a text.\n" * 100])
@pytest.mark.parametrize("options", [[], ["--out", "out"]])
def test_standard_input_that_is_no_audio(content: bytes, options: list[str], tmp_path: Path) -> None:
    done = run("analyze", "-", *options, input=content, text=False, encoding=None, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(b"emotrace: <stdin> is ")
    assert done.stderr.count(b"\n") == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("command", [["analyze", "--json"], ["analyze", "--model", "compact"], ["check"]])
def test_a_reader_that_goes_away_is_no_error_to_speak_of(command: list[str], sound: Path) -> None:
    with start(*command, *[sound] * 30) as process:
        process.stdin.close()
        assert sound.name.encode() in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["labels"], ["analyze", "--json"]])
def test_standard_output_that_is_full(arguments: list[str], sound: Path) -> None:
    inputs = [sound] if "analyze" in arguments else []
    with Path("/dev/full").open("wb") as full, start(*arguments, *inputs, stdout=full) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert err.startswith(b"emotrace: standard output cannot be written: no space left on device; ")
    assert err.count(b"\n") == 1


def test_a_disk_that_fills_up_in_the_middle(sound: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    done = run(
        "analyze",
        sound,
        sound,
        "--out",
        tmp_path / "out",
        "--csv",
        tmp_path / "t.csv",
        preexec_fn=limit,
        env=unmeasured(),
    )
    assert done.returncode == 7
    assert done.stderr.count("cannot be written: the file is larger than is allowed here") == 2
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stdout.count("talk.wav") == 2
    assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["t.csv", "talk.wav"]


def test_a_table_that_a_full_disk_stops_does_not_stop_the_other_results(sound: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    table, inputs = tmp_path / "t.csv", [sound] * 60  # more rows than wait in memory
    options = ("--json", "--no-checks", "--csv", table)
    done = run("analyze", *inputs, *options, preexec_fn=limit, env=unmeasured())
    assert done.returncode == 7
    assert done.stderr == (
        f"emotrace: {str(table)!r} cannot be written: the file is larger than is allowed here; "
        "choose another place\n"
    )
    assert len(done.stdout.splitlines()) == 60
    assert names(tmp_path) == ["talk.wav"]


def test_a_folder_that_cannot_be_written(sound: Path) -> None:
    done = run("analyze", sound, "--out", sound)
    assert (done.returncode, done.stdout) == (7, "")
    assert (
        done.stderr
        == f"emotrace: {str(sound)!r} cannot be written: a file is in the way; expected a folder\n"
    )


def test_two_runs_into_one_folder_in_the_same_second(sound: Path, tmp_path: Path) -> None:
    running = [start("analyze", sound, sound, "--out", tmp_path / "out") for _ in range(2)]
    for process in running:
        with process:
            process.communicate(timeout=60)
            assert process.returncode == 0
    folders = list((tmp_path / "out").iterdir())
    assert len(folders) == 4
    for folder in folders:
        assert folder.name.startswith("outputs_")
        assert names(folder) == ["processed_audio.wav", "result.json"]


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_in_the_middle_leaves_nothing(
    number: int, code: int, word: str, sound: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The second input comes over a pipe that stays open, so the run is surely in the middle."""
    temporary = tmp_path_factory.mktemp("temporary")
    table = tmp_path / "t.csv"
    command = ("analyze", sound, "-", "--json", "--out", tmp_path / "out", "--csv", table)
    with start(*command, env=environment(TMPDIR=str(temporary))) as process:
        process.stdin.write(sound.read_bytes()[:1000])
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(60) == code
        assert process.stderr.read() == f"emotrace: {word}\n".encode()
        assert process.stdout.read() == b""
    assert [str(folder) for folder in (tmp_path / "out").iterdir()] == [first["folder"]]
    assert names(tmp_path) == ["out", "talk.wav"]
    assert list(temporary.iterdir()) == []


def test_an_interrupt_while_the_sound_is_written(tmp_path: Path) -> None:
    """A long recording whose sound takes a while to write; the hidden folder tells when to strike."""
    long = tmp_path / "long.wav"
    write(long, square(0.4))
    seconds = 16 * 3600
    with long.open("r+b") as file:  # hours of zeros behind one second of sound, without writing them
        file.write(b"RIFF" + struct.pack("<I", 36 + seconds * 32000))
        file.seek(40)
        file.write(struct.pack("<I", seconds * 32000))
        file.truncate(44 + seconds * 32000)
    out = tmp_path / "out"
    code = (
        "import sys\n"
        "from emotrace.recognition import Recognizer\n"
        "from tests.outputs.made import made\n"
        "Recognizer.recognize = lambda *_, **__: made()\n"
        "from emotrace.cli.app import main\n"
        f"sys.exit(main(['analyze', {str(long)!r}, '--out', {str(out)!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, env=environment(), cwd=Path(__file__).parents[2]
    ) as process:
        wait_for(lambda: list(out.glob(".outputs_*.tmp/processed_audio.wav")), "the hidden folder")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b"emotrace: interrupted\n"
        assert process.wait(60) == 130
    assert not out.exists()


def heavy_modules(*arguments: str) -> list[str]:
    """Which heavy packages a command loads."""
    code = (
        "import sys, io, contextlib\n"
        "from emotrace.cli.app import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    assert main({list(arguments)!r}) == 0\n"
        "heavy = 'torch onnxruntime numpy av pydantic rich soxr matplotlib asyncio'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unmeasured()
    )
    found: list[str] = json.loads(done.stdout.replace("'", '"'))
    return found


@pytest.mark.parametrize(
    "arguments", [["--help"], ["analyze", "--help"], ["--version"], ["labels"], ["sample"]]
)
def test_the_help_loads_nothing_heavy(arguments: list[str]) -> None:
    typers_own = {"pydantic"}  # which typer itself loads to read the options of some commands
    assert set(heavy_modules(*arguments)) <= (set() if arguments == ["--help"] else typers_own)


def test_the_help_is_quick() -> None:
    run("--help", env=unmeasured())
    times = []
    for _ in range(3):
        before = os.times()
        assert run("--help", env=unmeasured()).returncode == 0
        after = os.times()
        times.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    assert min(times) < 0.3


def test_torch_is_never_loaded_by_an_analysis(sound: Path) -> None:
    found = heavy_modules("analyze", str(sound))
    assert "onnxruntime" in found
    assert "torch" not in found
    assert "matplotlib" not in found


def test_the_demo_line_of_the_makefile(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "demo.png"
    homeless = environment(MPLCONFIGDIR=os.devnull + "/none")  # of which matplotlib warns
    done = run("analyze", sample_path(), "--granularity", "frame", "--plot", picture, env=homeless)
    assert (done.returncode, done.stderr) == (0, "")
    assert "over time" in done.stdout
    assert picture.read_bytes()[1:4] == b"PNG"
