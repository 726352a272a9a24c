"""What each rule of a verdict looks at, and what is said in both languages if it fires."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emotrace.results import Reason


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers that rules look at; NaN is not known.

    Attributes:
        confidence: of the result, 0 to 1.
        gap: between the two likeliest emotions, 0 to 1.
        top_score: largest score, 0 to 1.
        seconds: length of the recording.
        silence_share: share of the recording without any sound, 0 to 1.
        snr_db: speech over noise.
        clipping_share: share of clipped samples, 0 to 1.
        bandwidth_hz: highest frequency that carries speech.
        music_share: share of the recording that is music, 0 to 1.
        speech_of_sound: speech as a share of all sound, 0 to 1; 0 where nothing sounds.
        several_speakers: score that more than one person speaks, 0 to 1.
        switches_per_minute: changes of the likeliest emotion in the track.
    """

    confidence: float = math.nan
    gap: float = math.nan
    top_score: float = math.nan
    seconds: float = math.nan
    silence_share: float = math.nan
    snr_db: float = math.nan
    clipping_share: float = math.nan
    bandwidth_hz: float = math.nan
    music_share: float = math.nan
    speech_of_sound: float = math.nan
    several_speakers: float = math.nan
    switches_per_minute: float = math.nan


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it fires if a number is beyond a threshold.

    Attributes:
        code: stable name.
        fact: which of the :class:`Facts` it looks at.
        threshold: which field of :class:`Rules` is its limit; one that begins with ``min_`` is a lower one.
        form: format of value and threshold in its sentences, such as ``".2f"``.
        sentence: in English, with ``{value}`` and ``{limit}``.
        sentence_zh: in Chinese.
        advice: in English.
        advice_zh: in Chinese.
    """

    code: str
    fact: str
    threshold: str
    form: str
    sentence: str
    sentence_zh: str
    advice: str
    advice_zh: str

    def beyond(self, value: float, threshold: float) -> bool:
        """Whether the rule fires."""
        return value < threshold if self.threshold.startswith("min_") else value > threshold

    def reason(self, value: float, threshold: float, decision: str) -> Reason:
        """The reason for a verdict, with the numbers in its sentences."""
        numbers = {"value": _shown(value, threshold, self.form), "limit": format(threshold, self.form)}
        return Reason(
            self.code,
            decision,
            value,
            threshold,
            self.sentence.format(**numbers),
            self.sentence_zh.format(**numbers),
            self.advice,
            self.advice_zh,
        )


def _shown(value: float, threshold: float, form: str) -> str:
    """The value, with as many digits as it takes to see that it is not the threshold.

    >>> _shown(0.5999, 0.6, ".2f"), _shown(0.42, 0.6, ".2f")
    ('0.5999', '0.42')
    """
    digits, kind = int(form[1:-1]), form[-1]
    for more in range(7):
        text = format(value, f".{digits + more}{kind}")
        if text != format(threshold, f".{digits + more}{kind}"):
            return text
    return f"{value * 100!r}%" if kind == "%" else repr(value)


RULES: tuple[Rule, ...] = (
    Rule(
        "low-confidence",
        "confidence",
        "min_confidence",
        ".2f",
        "low confidence: {value}; expected {limit} or more",
        "置信度低：{value}；应不低于 {limit}",
        "treat the emotion as a guess, or listen to the recording",
        "请将该情绪视为猜测，或人工复听",
    ),
    Rule(
        "ambiguous",
        "gap",
        "min_gap",
        ".2f",
        "ambiguous: the two likeliest emotions are {value} apart; expected {limit} or more",
        "结果含糊：最可能的两种情绪仅相差 {value}；应不低于 {limit}",
        "report both emotions, or listen to the recording",
        "请同时报告两种情绪，或人工复听",
    ),
    Rule(
        "no-clear-emotion",
        "top_score",
        "min_top_score",
        ".2f",
        "no clear emotion: no score is over {value}; expected {limit} or more",
        "无明显情绪：最高得分仅 {value}；应不低于 {limit}",
        "take it for no result rather than for neutral",
        "请视为无结果，而不是中性",
    ),
    Rule(
        "too-short",
        "seconds",
        "min_seconds",
        ".1f",
        "too short: {value} s; expected {limit} s or more",
        "过短：{value} 秒；应不少于 {limit} 秒",
        "record a longer stretch of speech",
        "请录制更长的语音",
    ),
    Rule(
        "too-long",
        "seconds",
        "max_seconds",
        ".0f",
        "too long for one label: {value} s; expected {limit} s or less",
        "过长，不宜只用一个标签：{value} 秒；应不多于 {limit} 秒",
        "read the emotion over time or by segment instead",
        "请改看随时间变化的情绪或分段结果",
    ),
    Rule(
        "mostly-silence",
        "silence_share",
        "max_silence_share",
        ".0%",
        "mostly silence: {value} of the time; expected {limit} or less",
        "大部分为静音：占 {value}；应不多于 {limit}",
        "cut the silence off, or move the microphone closer",
        "请剪去静音，或将麦克风移近",
    ),
    Rule(
        "low-snr",
        "snr_db",
        "min_snr_db",
        ".0f",
        "noisy: the speech is {value} dB over the noise; expected {limit} dB or more",
        "噪声大：语音仅高出噪声 {value} dB；应不低于 {limit} dB",
        "record in a quieter place, or closer to the speaker",
        "请在更安静处录音，或靠近说话人",
    ),
    Rule(
        "clipped",
        "clipping_share",
        "max_clipping_share",
        ".1%",
        "clipped: {value} of the samples are at full scale; expected {limit} or less",
        "削波：{value} 的采样达到满幅；应不多于 {limit}",
        "lower the recording level; loudness that was cut off cannot be restored",
        "请调低录音电平；被削去的部分无法恢复",
    ),
    Rule(
        "narrow-band",
        "bandwidth_hz",
        "min_bandwidth_hz",
        ".0f",
        "narrow band: sound up to {value} Hz; expected {limit} Hz or more",
        "频带窄：仅到 {value} Hz；应不低于 {limit} Hz",
        "prefer a recording that did not go through a telephone or a low bit rate",
        "请尽量使用未经电话或低码率压缩的录音",
    ),
    Rule(
        "music",
        "music_share",
        "max_music_share",
        ".0%",
        "music: {value} of the time; expected {limit} or less",
        "含音乐：占 {value}；应不多于 {limit}",
        "the emotion of music or singing is not a speaker's; cut the music out",
        "音乐或歌声的情绪并非说话人的情绪；请剪去音乐",
    ),
    Rule(
        "not-speech",
        "speech_of_sound",
        "min_speech_of_sound",
        ".0%",
        "not speech: only {value} of the sound is speech; expected {limit} or more",
        "非语音：声音中仅 {value} 为语音；应不低于 {limit}",
        "check that this is the right recording or channel",
        "请确认录音或声道是否正确",
    ),
    Rule(
        "several-speakers",
        "several_speakers",
        "max_several_speakers",
        ".2f",
        "several speakers suspected: score {value}; expected {limit} or less",
        "疑似多人说话：得分 {value}；应不高于 {limit}",
        "take one channel per speaker, or cut the recording by speaker",
        "请按说话人分声道或切分录音",
    ),
    Rule(
        "unstable",
        "switches_per_minute",
        "max_switches_per_minute",
        ".0f",
        "unstable over time: the label changes {value} times a minute; expected {limit} or less",
        "随时间不稳定：标签每分钟变化 {value} 次；应不多于 {limit} 次",
        "smooth the track, or read the shares of the emotions instead of one label",
        "请平滑轨迹，或改看各情绪的占比",
    ),
)
"""All rules, in the order in which reasons are given."""

CODES: tuple[str, ...] = tuple(rule.code for rule in RULES)
