"""What the first bytes of an input look like: for messages, and to find inputs that need seeking.

What is opened is decided by :mod:`emotrace.audio.allowed`; only text is refused on sight.
"""

from __future__ import annotations

_AUDIO = (
    (b"ID3", "an MP3 file with a tag"),
    (b"fLaC", "a FLAC file"),
    (b"OggS", "an Ogg file"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a WMA or ASF file"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (b"#!AMR", "an AMR file"),
    (b"caff", "a CAF file"),
    (b".snd", "an AU file"),
    (b"wvpk", "a WavPack file"),
    (b"MAC ", "a Monkey's Audio file"),
)
_PLAYLISTS = (
    (b"#extm3u", "an M3U playlist"),
    (b"[playlist]", "a PLS playlist"),
    (b"ffconcat", "a list of files to join"),
    (b"file ", "a list of files to join"),
    (b"v=0", "a session description (SDP)"),
    (b"<asx", "an ASX playlist"),
    (b"[reference]", "an ASX playlist"),
    (b"http://", "a list of URLs"),
    (b"https://", "a list of URLs"),
    (b"rtsp://", "a list of URLs"),
)
_OTHERS = (
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"BM", "a picture (BMP)"),
    (b"II*\x00", "a picture (TIFF)"),
    (b"MM\x00*", "a picture (TIFF)"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
)
_RIFF = {b"WAVE": "a WAV file", b"AVI ": "an AVI file"}
_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"})


def audio_kind(head: bytes) -> str | None:
    """The kind of sound or film file that starts like this, if it is a common one.

    >>> audio_kind(b"fLaC" + bytes(4)), audio_kind(b"RIFF....WAVE"), audio_kind(b"hello")
    ('a FLAC file', 'a WAV file', None)
    """
    if head[:4] in {b"RIFF", b"RF64", b"RIFX"}:
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "an AIFF file"
    if head[4:8] in _MP4_BOXES:
        return "an MP4 or MOV file"
    if head[:1] == b"\xff" and head[1:2] > b"\xe1" and head[:3] != b"\xff\xd8\xff":
        return "an MP3 or AAC file"
    return next((kind for mark, kind in _AUDIO if head.startswith(mark)), None)


def looks_like(head: bytes) -> str | None:
    """What the bytes are, if they are something that is well known and not audio.

    >>> looks_like(b"<html></html>"), looks_like(bytes(9)), looks_like(b"[playlist]")
    ('a web page or XML file', None, 'a PLS playlist, which names other inputs and is not followed')
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, what in _PLAYLISTS:
        if start[: len(mark)].lower() == mark:
            return f"{what}, which names other inputs and is not followed"
    if b"<MPD" in head[:4096]:
        return "a DASH playlist, which names other inputs and is not followed"
    for mark, what in _OTHERS:
        if head.startswith(mark):
            return what
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a picture (WebP)"
    if start[:1] == b"<":
        return "a web page or XML file"
    return "text" if is_text(head) else None


def needs_seeking(head: bytes) -> bool:
    """Whether the file starts like an MP4 or MOV whose index comes after the sound, or may do so.

    ``head`` may be shorter than the file; as long as the index has not been seen the answer is True.

    >>> needs_seeking(b"RIFF" + bytes(12)), needs_seeking(bytes([0, 0, 0, 16]) + b"ftypM4A " + bytes(4))
    (False, True)
    """
    if head[4:8] not in _MP4_BOXES:
        return False
    position = 0
    while position + 8 <= len(head):
        size = int.from_bytes(head[position : position + 4], "big")
        kind = head[position + 4 : position + 8]
        if kind == b"moov":
            return False
        if kind == b"mdat" or size < 8:
            return True
        position += size
    return True


def length_is_exact(container: str, head: bytes) -> bool:
    """Whether the header of a container says how long the sound is, rather than FFmpeg guessing it.

    Recorders that write into a pipe do not know the length and put a placeholder into a WAV header: nothing,
    or about the most that fits.

    >>> length_is_exact("flac", b""), length_is_exact("mp3", b""), length_is_exact("mp3", b"..Xing")
    (True, False, True)
    """
    if container == "mp3":
        return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))
    if container == "wav":
        found = head.find(b"data", 12)
        size = int.from_bytes(head[found + 4 : found + 8], "little")
        return size > 0 and all(abs(size - limit) > 1 << 16 for limit in (1 << 31, 1 << 32))
    return container in {"flac", "ogg", "w64", "caf", "aiff", "au"} or "mp4" in container


def is_text(head: bytes) -> bool:
    """Whether the bytes are printable text in UTF-8, at least the first four thousand.

    >>> is_text("声音".encode()), is_text(b"fLaC" + bytes(4)), is_text(b"")
    (True, False, False)
    """
    text = head[:4096].decode("utf-8", "replace")
    if len(head) >= 4096:
        text = text[:-4]  # the last letter may have been cut in two
    return bool(text) and all(one != "\ufffd" and (one.isprintable() or one in "\r\n\t\f") for one in text)
