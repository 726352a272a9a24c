"""Decoding: containers, channels, rates, block sizes."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.audio import Decoder, Limits, describe, load, stream
from emotrace.errors import AudioError, LimitError, NoAudioError, OptionError
from emotrace.results import Signal
from tests.audio.tones import Pipe, encode, film, strength, tone

CODINGS = [
    ("wav", "pcm_u8", 8000, 0.01),
    ("wav", "pcm_s16le", 44100, 0.0),
    ("wav", "pcm_s24le", 48000, 0.0),
    ("wav", "pcm_f32le", 11025, 0.0),
    ("wav", "pcm_f64le", 96000, 0.0),
    ("wav", "adpcm_ms", 22050, 0.06),
    ("w64", "pcm_s64le", 32000, 0.0),
    ("aiff", "pcm_s16be", 44100, 0.0),
    ("au", "pcm_mulaw", 8000, 0.0),
    ("caf", "pcm_s32be", 192000, 0.0),
    ("flac", "flac", 44100, 0.0),
    ("ipod", "aac", 44100, 0.05),
    ("ipod", "alac", 48000, 0.0),
    ("adts", "aac", 16000, 0.15),
    ("mp3", "libmp3lame", 44100, 0.0),
    ("mp2", "mp2", 44100, 0.05),
    ("ogg", "libopus", 48000, 0.01),
    ("webm", "libopus", 48000, 0.02),
    ("matroska", "flac", 44100, 0.0),
    ("mpegts", "aac", 44100, 0.1),
    ("amr", "libopencore_amrnb", 8000, 0.03),
    ("ac3", "ac3", 48000, 0.04),
    ("tta", "tta", 44100, 0.0),
]


@pytest.mark.parametrize(("container", "codec", "rate", "padding"), CODINGS)
def test_a_tone_survives_every_coding(container: str, codec: str, rate: int, padding: float) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    signal = load(encode(tone(440, 1, rate), rate, container, codec))
    assert signal.sampling_rate == 16000
    assert signal.samples.dtype == np.float32
    assert -0.001 <= signal.duration - 1 <= padding + 0.001
    assert strength(signal.samples, 440) == pytest.approx(0.5, rel=0.15)  # AMR is the worst


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
def test_resampling_keeps_what_16_khz_can_hold(rate: int) -> None:
    resampled = load((tone(1000, 1, rate), rate)).samples
    assert strength(resampled, 1000) == pytest.approx(0.5, abs=1e-4)
    expected = tone(1000, 1, 16000)
    assert np.abs(resampled - expected)[500:-500].max() < 1e-3  # neither delayed nor distorted


@pytest.mark.parametrize("frequency", [8800, 10000, 15000, 21000])
def test_resampling_folds_nothing_back(frequency: int) -> None:
    resampled = load((tone(frequency, 1, 44100, amplitude=1.0), 44100)).samples
    assert np.sqrt(np.mean(resampled[500:-500] ** 2)) < 10 ** (-80 / 20)


@settings(max_examples=40, deadline=None)
@given(rate=st.integers(4000, 192000), count=st.integers(0, 3000))
def test_every_length_at_every_rate(rate: int, count: int) -> None:
    samples = np.random.default_rng(count).uniform(-0.5, 0.5, count).astype(np.float32)
    expected = count * 16000 / rate
    try:
        resampled = load((samples, rate)).samples
    except NoAudioError:
        assert expected <= 0.5
    else:
        assert abs(len(resampled) - expected) <= 0.5
        assert np.isfinite(resampled).all()


@settings(max_examples=25, deadline=None)
@given(block_seconds=st.floats(1e-4, 3), rate=st.sampled_from([16000, 44100, 48000]))
def test_block_size_changes_no_sample(block_seconds: float, rate: int) -> None:
    samples = np.random.default_rng(7).normal(0, 0.1, rate).astype(np.float32)
    blocks = list(stream((samples, rate), block_seconds=block_seconds))
    assert len({len(block) for block in blocks[:-1]}) <= 1
    assert np.array_equal(np.concatenate(blocks), load((samples, rate)).samples)


def test_block_size_changes_no_sample_of_a_file() -> None:
    content = encode([tone(440, 2, 44100), tone(600, 2, 44100)], 44100, "mp3", "libmp3lame")
    whole = load(content).samples
    for seconds in (0.01, 0.5, 10.0):
        assert np.array_equal(np.concatenate(list(stream(content, block_seconds=seconds))), whole)


def test_channels_are_averaged_or_picked() -> None:
    content = encode([tone(500, 1), tone(1500, 1, amplitude=0.2)], 16000)
    mixed, left, right = load(content), load(content, channel=0), load(content, channel=1)
    assert strength(mixed.samples, 500) == pytest.approx(0.25, abs=1e-3)
    assert strength(mixed.samples, 1500) == pytest.approx(0.1, abs=1e-3)
    assert strength(left.samples, 500) == pytest.approx(0.5, abs=1e-3)
    assert strength(left.samples, 1500) < 1e-4
    assert strength(right.samples, 1500) == pytest.approx(0.2, abs=1e-3)


def test_a_channel_that_is_not_there() -> None:
    with pytest.raises(AudioError, match=r"has no channel 2; it has 2 channels \(numbers 0 to 1\)"):
        load(encode([tone(), tone()], 16000), channel=2)
    with pytest.raises(AudioError, match=r"has no channel 1; it has 1 channel \(number 0\)"):
        load((tone(), 16000), channel=1)


@pytest.mark.parametrize("channel", [-1, 1.0, True, "0"])
def test_a_channel_that_is_no_number(channel: object) -> None:
    with pytest.raises(OptionError, match="expected a number from 0"):
        load((tone(), 16000), channel=channel)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_block_that_has_no_length(seconds: object) -> None:
    with pytest.raises(OptionError, match="block_seconds"):
        Decoder((tone(), 16000), block_seconds=seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("wav", "pcm_s24le", 192000), ("flac", "flac", 192000), ("ipod", "aac", 48000)],
)
def test_eight_channels(container: str, codec: str, rate: int) -> None:
    content = encode([tone(400 + 200 * number, 0.5, rate) for number in range(8)], rate, container, codec)
    assert describe(content).channels == 8
    tops = [strength(load(content, channel=number).samples, 400 + 200 * number) for number in range(8)]
    assert np.mean([top == pytest.approx(0.5, rel=0.1) for top in tops]) >= 7 / 8  # AAC cuts off the LFE
    assert strength(load(content).samples, 400) == pytest.approx(0.5 / 8, rel=0.2)


def test_rate_and_channels_may_change_on_the_way() -> None:
    first = encode([tone(440, 1, 48000)] * 2, 48000, "ogg", "flac")
    second = encode(tone(880, 1, 32000), 32000, "ogg", "flac")
    samples = load(first + second).samples
    assert len(samples) == 32000
    assert strength(samples[:16000], 440) == pytest.approx(0.5, abs=1e-3)
    assert strength(samples[16000:], 880) == pytest.approx(0.5, abs=1e-3)


def test_floats_beyond_full_scale_are_not_clipped() -> None:
    content = encode(tone(440, 1, amplitude=3.0), 16000, "wav", "pcm_f32le")
    assert np.abs(load(content).samples).max() == pytest.approx(3.0, abs=0.01)


def test_nan_in_a_float_file() -> None:
    samples = tone(440, 1)
    samples[12000] = np.nan
    with pytest.raises(AudioError, match=r"not finite numbers .* the first at 0.750 s"):
        load(encode(samples, 16000, "wav", "pcm_f32le"))


def test_film_gives_its_sound() -> None:
    signal = load(film(tone(440, 0.5)))
    assert signal.duration == pytest.approx(0.5, abs=0.05)
    assert strength(signal.samples, 440) == pytest.approx(0.5, rel=0.1)


def test_film_without_sound() -> None:
    with pytest.raises(NoAudioError, match="no audio stream"):
        load(film(None))


def test_describe_reads_the_header() -> None:
    told = describe(encode([tone(440, 1, 44100)] * 2, 44100, "flac", "flac"))
    assert (told.container, told.codec, told.sampling_rate, told.channels) == ("flac", "flac", 44100, 2)
    assert told.duration == pytest.approx(1)
    assert describe(Signal(tone(seconds=2), 16000)).duration == 2


def test_signal_and_array_and_file_agree() -> None:
    samples = tone(440, 1, 44100)
    expected = load((samples, 44100)).samples
    assert np.array_equal(load(Signal(samples, 44100)).samples, expected)
    assert np.array_equal(load(encode(samples, 44100, "wav", "pcm_f32le")).samples, expected)


def test_clipping_is_counted_before_resampling() -> None:
    clipped = np.clip(tone(441, 1, 44100, amplitude=2.0), -1, 1)
    decoder = Decoder(encode([clipped, tone(441, 1, 44100)], 44100))
    measured = np.concatenate(list(decoder))
    truth = np.mean(np.abs(clipped) == 1) / 2
    assert decoder.clipping_share == pytest.approx(truth, rel=0.05)
    assert np.abs(measured).max() < 0.985  # nothing of it is left to see


def test_limit_on_seconds_acts_while_decoding() -> None:
    blocks = stream((np.zeros(16000 * 20, np.float32), 16000), limits=Limits(max_seconds=10))
    with pytest.raises(LimitError, match="longer than the limit of 10 s"):
        for number, _ in enumerate(blocks):
            assert number < 10
    assert len(load((np.zeros(160000, np.float32), 16000), limits=Limits(max_seconds=10)).samples) == 160000


def test_a_decoder_works_once_and_closes_itself() -> None:
    file = io.BytesIO(encode(tone(), 16000))
    decoder = Decoder(file)
    assert sum(len(block) for block in decoder) == 8000
    assert not file.closed
    with pytest.raises(AudioError, match="was closed"):
        list(decoder)


def test_a_decoder_that_was_closed_on_the_way() -> None:
    with Decoder(encode(tone(440, 5), 16000), block_seconds=0.1) as decoder:
        blocks = iter(decoder)
        assert len(next(blocks)) == 1600
    assert sum(len(block) for block in blocks) < 5 * 16000  # what was decoded before, and no crash


def test_what_goes_wrong_inside_comes_out_as_an_audio_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise problem

    content = encode(tone(440, 1, 44100), 44100)
    monkeypatch.setattr("soxr.ResampleStream", fail)
    problem: Exception = RuntimeError("two\nlines")
    with pytest.raises(AudioError, match=r"^<bytes> cannot be decoded: two lines$"):
        load(content)
    problem = MemoryError()
    with pytest.raises(AudioError, match=r"^<bytes> needs more memory than there is; cut it into parts$"):
        load(content)


def test_memory_does_not_grow_with_the_recording() -> None:
    pipe = Pipe(encode([tone(440, 60, 44100)] * 2, 44100))  # 10.6 MB, 3.8 MB once decoded
    tracemalloc.start()
    seconds = sum(len(block) for block in stream(pipe)) / 16000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds == 60
    assert peak < 2_000_000


def test_sound_from_a_pipe_comes_before_its_end() -> None:
    pipe = Pipe(encode(tone(440, 60), 16000))
    blocks = stream(pipe, block_seconds=1.0)
    next(blocks)
    assert pipe.given < 200_000  # of 1.9 MB


def test_importing_loads_no_decoder() -> None:
    program = "import sys, emotrace.audio; print({'av', 'soxr'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
