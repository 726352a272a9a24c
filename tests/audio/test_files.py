"""Damaged, truncated and invented files: what is there is decoded, and never a crash."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.audio import Decoder, load
from emotrace.errors import AudioError, LimitError, NoAudioError
from tests.audio.tones import Pipe, encode, strength, tone

SOUND = tone(440, 3)
WAV = encode(SOUND, 16000)
FLAC = encode(SOUND, 16000, "flac", "flac")
MP3 = encode(SOUND, 16000, "mp3", "libmp3lame")
MP4 = encode(SOUND, 16000, "ipod", "aac", movflags="faststart")
OGG = encode(SOUND, 16000, "ogg", "libopus")
SAMPLES = [WAV, FLAC, MP3, MP4, OGG, encode(SOUND, 16000, "matroska", "pcm_s16le")]


def decode(content: bytes) -> tuple[float, str | None]:
    """Seconds and warning."""
    decoder = Decoder(content)
    return sum(len(block) for block in decoder) / 16000, decoder.warning


def claiming(size: int) -> bytes:
    """A WAV file of 3 s that claims to have ``size`` bytes of samples."""
    place = WAV.index(b"data") + 4
    return WAV[:place] + struct.pack("<I", size) + WAV[place + 4 :]


@pytest.mark.parametrize("content", SAMPLES)
def test_whole_files_have_no_warning(content: bytes) -> None:
    seconds, warning = decode(content)
    assert seconds == pytest.approx(3, abs=0.1)
    assert warning is None


def test_a_wav_that_hides_another_codec_is_not_taken_for_samples() -> None:
    # ffmpeg -f lavfi -i sine=440:duration=0.2:sample_rate=48000 -ac 2 -c:a dca -b:a 384k -strict -2 tone.dts
    hidden = io.BytesIO()
    with wave.open(hidden, "wb") as out:
        out.setparams((2, 2, 48000, 0, "NONE", ""))
        out.writeframes((Path(__file__).parent / "tone.dts").read_bytes())
    samples = np.concatenate(list(Decoder(hidden.getvalue())))
    assert strength(samples, 440) > 100 * strength(samples, 1500)


@pytest.mark.parametrize("content", [WAV, FLAC, MP3, MP4])
def test_files_that_break_off_give_what_is_there(content: bytes) -> None:
    seconds, warning = decode(content[: len(content) // 2])
    assert 0.8 < seconds < 2
    assert warning is not None
    assert "cut off" in warning


@pytest.mark.parametrize("content", [FLAC, MP3, OGG])
def test_files_with_a_hole_give_the_rest(content: bytes) -> None:
    middle = len(content) // 2
    seconds, warning = decode(content[:middle] + bytes(800) + content[middle + 800 :])
    assert 1 < seconds < 3
    assert warning is not None
    assert "missing" in warning or "damaged" in warning


@pytest.mark.parametrize("hours", [1, 18, 20, 37])
def test_a_header_that_claims_hours(hours: int) -> None:
    seconds, warning = decode(claiming(hours * 3600 * 32000))
    assert seconds == 3
    assert warning == "the file is cut off after 3.0 s of sound"


@pytest.mark.parametrize("placeholder", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFD8, 0xFFFFFFFF])
def test_a_header_from_a_recorder_that_wrote_into_a_pipe(placeholder: int) -> None:
    assert decode(claiming(placeholder)) == (3.0, None)
    decoder = Decoder(Pipe(claiming(placeholder)))
    assert (sum(len(block) for block in decoder), decoder.warning) == (48000, None)


def test_an_mp4_without_its_index() -> None:
    whole = encode(SOUND, 16000, "ipod", "aac")
    with pytest.raises(AudioError, match="starts like an MP4 or MOV file, but is damaged or cut off"):
        load(whole[: len(whole) // 2])


def test_a_header_and_no_sample() -> None:
    for content in (WAV[: WAV.index(b"data") + 8], claiming(0)[: WAV.index(b"data") + 8]):
        with pytest.raises(NoAudioError, match="not one sample"):
            load(content)


def test_sound_of_which_nothing_can_be_decoded() -> None:
    start = MP4.index(b"mdat") + 4
    noise = np.random.default_rng(0).bytes(len(MP4) - start)
    with pytest.raises(AudioError):
        load(MP4[:start] + bytes(len(noise)))
    try:
        load(MP4[:start] + noise)
    except AudioError as problem:
        assert "damaged" in str(problem)


@pytest.mark.parametrize(
    "labels", [(1, 2), (2, 1), (1, 1), (6, 2, 1), (400, 401, 402), tuple(range(10, 0, -1))]
)
def test_channels_in_an_unusual_order(labels: tuple[int, ...]) -> None:
    """PyAV 17.1 to 18.1 frees the list of such an order twice, which ends the process."""
    count, pcm = len(labels), (np.outer(tone(440, 1), np.arange(len(labels)) == 1) * 32767).astype(">i2")
    form = struct.pack(">d4sIIIII", 16000, b"lpcm", 0, 2 * count, 1, count, 16)
    order = b"".join(struct.pack(">II3f", label, 0, 0, 0, 0) for label in labels)
    content = b"caff" + struct.pack(">HH", 1, 0)
    for kind, inside in (
        (b"desc", form),
        (b"chan", struct.pack(">III", 0, 0, count) + order),
        (b"data", bytes(4) + pcm.tobytes()),
    ):
        content += kind + struct.pack(">q", len(inside)) + inside
    assert Decoder(content).description.channels == count
    assert strength(load(content, channel=1).samples, 440) == pytest.approx(0.5, abs=1e-3)
    assert strength(load(content).samples, 440) == pytest.approx(0.5 / count, abs=1e-3)


def attempt(content: bytes) -> None:
    """Decode; anything but samples or an AudioError of one line fails the test."""
    try:
        signal = load(content)
    except LimitError:
        raise
    except AudioError as problem:
        assert str(problem).isprintable()
    else:
        assert np.isfinite(signal.samples).all()
        assert len(signal.samples) > 0


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=3000))
def test_any_bytes(content: bytes) -> None:
    attempt(content)


@settings(max_examples=150, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=8),
    early=st.booleans(),
    length=st.floats(0, 1),
)
def test_any_damage(sample: bytes, edits: list[tuple[float, bytes]], early: bool, length: float) -> None:
    content = bytearray(sample[: max(100, int(length * len(sample)))])
    reach = min(400, len(content)) if early else len(content)
    for place, patch in edits:
        start = int(place * (reach - len(patch)))
        content[start : start + len(patch)] = patch
    attempt(bytes(content))


def test_damage_is_not_shown_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for sample in SAMPLES:
        content = bytearray(sample)
        content[len(content) // 3 : len(content) // 3 + 500] = bytes(500)
        attempt(bytes(content))
        attempt(bytes(content[: len(content) // 2]))
        attempt(io.BytesIO(content[:60]).read())
    assert capfd.readouterr() == ("", "")
