"""The containers and codecs that may be opened: sound and film, nothing that names other inputs.

FFmpeg also has demuxers for playlists (HLS, DASH, concat, SDP), devices, picture sequences and filter
graphs; these open what their input names, and are not on the list. Names are FFmpeg's.
"""

from __future__ import annotations

FORMATS: tuple[str, ...] = (
    *("wav", "w64", "aiff", "au", "caf", "flac", "mp3", "aac", "ogg", "matroska", "webm", "mov", "mp4"),
    *("m4a", "3gp", "3g2", "mj2", "asf", "asf_o", "avi", "flv", "live_flv", "kux", "mpeg", "mpegts"),
    *("rm", "ivr", "nut", "mxf", "gxf", "wtv", "dv", "swf", "nsv", "lxf", "smjpeg", "ty", "pva"),
    *("amr", "amrnb", "amrwb", "ac3", "eac3", "dts", "dtshd", "truehd", "mlp", "spdif", "loas", "latm"),
    *("ape", "wv", "tta", "tak", "mpc", "mpc8", "shn", "osq", "qoa", "bonk", "rka", "wavarc", "ace"),
    *("g722", "g723_1", "g726", "g726le", "g728", "g729", "gsm", "ilbc", "sln", "bit", "codec2", "qcp"),
    *("voc", "ircam", "nistsphere", "sox", "pvf", "paf", "avr", "hcom", "iff", "svs", "wsd", "sds"),
    *("xwma", "oma", "aea", "dss", "act", "wve", "dsf", "aptx", "aptx_hd", "sbc", "lc3", "iamf"),
    *("vqf", "tmv", "mmf", "acm", "aa", "aax", "adx", "hca", "vag", "xa", "siff", "epaf"),
)
"""Names of allowed demuxers."""

CODECS: tuple[str, ...] = (
    *(f"pcm_{kind}{bits}{order}" for kind in "su" for bits in (16, 24, 32) for order in ("le", "be")),
    *("pcm_s8", "pcm_u8", "pcm_s64le", "pcm_s64be", "pcm_alaw", "pcm_mulaw", "pcm_vidc", "pcm_lxf"),
    *("pcm_f16le", "pcm_f24le", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_bluray"),
    *("pcm_s8_planar", "pcm_s16le_planar", "pcm_s16be_planar", "pcm_s24le_planar", "pcm_s32le_planar"),
    *("pcm_dvd", "pcm_s24daud", "s302m", "dvaudio", "comfortnoise", "dfpwm"),
    *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "mp3adu", "mp3adufloat", "mp3on4"),
    *("mp3on4float", "aac", "aac_fixed", "aac_latm", "als", "alac", "flac", "vorbis", "opus", "libopus"),
    *("speex", "ac3", "ac3_fixed", "eac3", "dca", "truehd", "mlp", "dolby_e", "ape", "wavpack", "tta"),
    *("tak", "mpc7", "mpc8", "shorten", "osq", "qoa", "bonk", "rka", "wavarc", "ralf", "dst"),
    *("wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "xma1", "xma2", "cook", "sipr", "qdm2"),
    *("real_144", "real_288", "qdmc", "mace3", "mace6", "atrac1", "atrac3", "atrac3al", "atrac3plus"),
    *("atrac3plusal", "atrac9", "nellymoser", "twinvq", "metasound", "truespeech", "imc", "iac"),
    *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "gsm", "gsm_ms", "ilbc", "evrc"),
    *("qcelp", "g722", "g723_1", "g726", "g726le", "g728", "g729", "siren", "msnsiren", "dss_sp"),
    *("sbc", "aptx", "aptx_hd", "hca", "hcom", "8svx_exp", "8svx_fib", "paf_audio", "interplayacm"),
    *("acelp.kelvin", "on2avc", "misc4", "wady_dpcm", "sdx2_dpcm", "cbd2_dpcm", "derf_dpcm"),
    *("dsd_lsbf", "dsd_msbf", "dsd_lsbf_planar", "dsd_msbf_planar"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_yamaha", "adpcm_swf", "adpcm_adx", "adpcm_xa"),
    *("adpcm_ct", "adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4", "adpcm_ima_oki", "adpcm_psx"),
    *("adpcm_sanyo", "adpcm_ima_smjpeg", "adpcm_4xm", "adpcm_ima_amv", "adpcm_ima_iss"),
)
"""Names of allowed decoders."""

OPTIONS: dict[str, str] = {
    "format_whitelist": ",".join(FORMATS),
    "codec_whitelist": ",".join(CODECS),
    "protocol_whitelist": "none",  # no protocol has this name: nothing can be opened by name
    "enable_drefs": "0",
    "use_absolute_path": "0",
}
"""Options for FFmpeg's ``avformat_open_input``; the lists act before a demuxer reads one byte."""


def format_allowed(name: str) -> bool:
    """Whether a demuxer, by FFmpeg's comma-separated name, is on the list.

    >>> format_allowed("mov,mp4,m4a,3gp,3g2,mj2"), format_allowed("hls"), format_allowed("concat")
    (True, False, False)
    """
    return any(part in FORMATS for part in name.split(","))
