"""Every recording of the shared format collection decodes, or says in one line why not."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from av import library_versions

from emotrace.audio import Decoder
from emotrace.errors import AudioError, NoAudioError
from tests.data import DATA, needs_data

FOLDER = DATA / "formats" if DATA is not None else None

TOLD_OTHERWISE = {
    # The manifest's durations are what libsndfile says; these are where FFmpeg is right to differ.
    "id3_frames.mp3": (4.536, "126 frames of 576 samples at 16 kHz; libsndfile estimates from the first"),
    "variable-block.flac": (0.906, "a fragment of 10 KB; the header promises the whole of 261.68 s"),
}

NOT_TOLD = {
    # libsndfile cannot open these; seconds as FFmpeg decodes them.
    "16bit_pcm_to_als.mp4": 0.1,
    "24bit_pcm_extended_to_als.mp4": 0.128,
    "32bit_float_to_als.mp4": 0.1,
    "32bit_pcm_extended_to_als.mp4": 0.128,
    "alac_silence.m4a": 0.1,
    "empty_frame.mp3": 0.131,  # five frames of 1152 samples
    "format_test.m4a": 9.66,
    "lossless.wma": 0.65,  # the header says 6 ms
    "mixed_case_atoms.m4a": 0.534,
    "mpeg4_desc_cmt.m4a": 2.368,
    "multi_stream.ogv": 30.0,  # film; the first of its streams of sound
    "no_bitrate.spx": 2.16,
    "test5.webm": 1.48,
    "wrong_extension.aac": 9.66,  # an MP4
}

UNREADABLE: dict[str, tuple[type[AudioError], str]] = {
    "106-invalid-streaminfo.flac": (AudioError, "starts like a FLAC file, but is damaged or cut off"),
    "UTF16.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged or cut off"),
    "chinese_id3.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged or cut off"),
    "detect_asf.x": (AudioError, "starts like a WMA or ASF file, but is damaged or cut off"),
    "empty44_header_only.wav": (NoAudioError, "has not one sample of audio"),
    "empty_file.flac": (AudioError, "is empty (0 bytes)"),
    "empty_file.ogg": (AudioError, "is empty (0 bytes)"),
    "id3v1_does_not_overwrite_id3v2.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged"),
    "id3v22_with_image.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged"),
    "id3v24_genre_null_byte.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged"),
    "incomplete.mp3": (AudioError, "has a size of 3 bytes"),
    "invalid_file.asf": (AudioError, "has a size of 1 byte;"),
    "invalid_file.ogg": (AudioError, "has a size of 1 byte;"),
    "invalid_object_size.wma": (AudioError, "starts like a WMA or ASF file, but is damaged or cut off"),
    "magic_bytes_only_flac.x": (AudioError, "has a size of 4 bytes"),
    "magic_bytes_only_mp4.x": (AudioError, "has a size of 8 bytes"),
    "mp4_invalid_size_zero.m4a": (AudioError, "starts like an MP4 or MOV file, but is damaged or cut off"),
    "mpeg1_44khz.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged or cut off"),
    "no_audio.ogg": (NoAudioError, "has not one sample of audio"),
    "synced_lyrics_no_terminator_latin1.mp3": (AudioError, "starts like an MP3 file with a tag"),
    "test.m4a": (NoAudioError, "has not one sample of audio, though its header promises 315.0 s"),
    "test1_empty.wav": (NoAudioError, "has not one sample of audio"),
    "title_after_image.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged or cut off"),
    "utf-8-id3v2.mp3": (AudioError, "starts like an MP3 file with a tag, but is damaged or cut off"),
    "zero_value_properties.aiff": (AudioError, "starts like an AIFF file, but is damaged or cut off"),
    "zero_value_properties.ogg": (AudioError, "starts like an Ogg file, but is damaged or cut off"),
    "zero_value_properties.wav": (AudioError, "starts like a WAV file, but is damaged or cut off"),
}

INCOMPLETE = {
    "variable-block.flac": "260.8 s of 261.7 s are missing: the file is cut off or damaged; 1 part",
    "vbri.mp3": "221.8 s of 222.2 s are missing",
}


def _rows() -> list[Any]:
    if FOLDER is None:
        return [pytest.param("", "", marks=needs_data)]
    with (FOLDER / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return [pytest.param(row["path"], row["duration_s"], id=row["path"]) for row in csv.DictReader(file)]


if library_versions["libavcodec"] < (62, 12):  # FFmpeg 8.0 does not decode floats of MPEG-4 ALS
    UNREADABLE["32bit_float_to_als.mp4"] = (AudioError, "is damaged: nothing of it can be decoded")


@pytest.mark.parametrize(("path", "told"), _rows())
def test_recording_of_the_collection(
    path: str, told: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FOLDER is not None
    monkeypatch.chdir(FOLDER)
    if path in UNREADABLE:
        kind, words = UNREADABLE[path]
        with pytest.raises(AudioError) as caught:
            list(Decoder(path))
        assert type(caught.value) is kind
        assert words in str(caught.value)
        assert str(caught.value).startswith(f"'{path}' ")
        assert len(str(caught.value).splitlines()) == 1
    else:
        decoder = Decoder(path)
        seconds = sum(len(block) for block in decoder) / 16000
        expected = TOLD_OTHERWISE[path][0] if path in TOLD_OTHERWISE else float(told or NOT_TOLD[path])
        assert seconds == pytest.approx(expected, rel=0.02, abs=0.06)
        assert (decoder.warning or "").startswith(INCOMPLETE.get(path, ""))
        assert (decoder.warning is not None) == (path in INCOMPLETE)
    assert capfd.readouterr() == ("", "")


@needs_data
def test_the_tables_speak_of_files_that_are_there() -> None:
    assert FOLDER is not None
    for path in {*TOLD_OTHERWISE, *NOT_TOLD, *UNREADABLE, *INCOMPLETE}:
        assert (FOLDER / path).is_file(), path
