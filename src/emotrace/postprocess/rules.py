"""The rules of a verdict: what is compared with which threshold, and what is said about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from emotrace.errors import OptionError
from emotrace.options import in_words
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
        speech_of_sound: speech as a share of all sound, 0 to 1.
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

CLASSIC_DROPS = frozenset({"low-confidence", "ambiguous", "no-clear-emotion"})
DROPS = frozenset({"no-clear-emotion", "too-short", "music", "not-speech"})
"""Rules that drop a result unless a rule set says otherwise; the others flag it.

Low confidence only flags: on clean clips of validation speakers the built-in model is under 0.6 on half of
them, and right on half of those.
"""
STRICT_DROPS = DROPS | CLASSIC_DROPS


def _off(value: object) -> object:
    if isinstance(value, bool | str) and value != "off":
        raise ValueError('expected a number, or "off"')
    return None if value == "off" else value


def _limit(default: float, low: float, high: float | None = None) -> Any:
    return Field(default=default, ge=low, le=high, allow_inf_nan=False)


_Number = Annotated[float | None, BeforeValidator(_off)]


class Rules(BaseModel):
    """The thresholds of all rules; None (``"off"``) switches a rule off.

    Attributes:
        min_confidence: 0 to 1.
        min_gap: between the two likeliest emotions, 0 to 1.
        min_top_score: largest score, 0 to 1.
        min_seconds: length of the recording.
        max_seconds: length of a recording that one label can stand for.
        max_silence_share: 0 to 1.
        min_snr_db: in dB.
        max_clipping_share: 0 to 1.
        min_bandwidth_hz: in Hz.
        max_music_share: 0 to 1.
        min_speech_of_sound: speech as a share of all sound, 0 to 1.
        max_several_speakers: score, 0 to 1.
        max_switches_per_minute: changes of the label.
        drop: codes of the rules that drop a result; the others flag it.

    >>> Rules().min_confidence, Rules.of(min_snr_db="off").min_snr_db
    (0.6, None)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_confidence: _Number = _limit(0.6, 0, 1)
    min_gap: _Number = _limit(0.05, 0, 1)
    min_top_score: _Number = _limit(0.3, 0, 1)
    min_seconds: _Number = _limit(1.0, 0)
    max_seconds: _Number = _limit(30.0, 0)
    max_silence_share: _Number = _limit(0.8, 0, 1)
    min_snr_db: _Number = _limit(10.0, -30, 60)
    max_clipping_share: _Number = _limit(0.001, 0, 1)
    min_bandwidth_hz: _Number = _limit(4500.0, 0)
    max_music_share: _Number = _limit(0.3, 0, 1)
    min_speech_of_sound: _Number = _limit(0.2, 0, 1)
    max_several_speakers: _Number = _limit(0.5, 0, 1)
    max_switches_per_minute: _Number = _limit(60.0, 0)
    drop: frozenset[str] = DROPS

    @field_validator("drop")
    @classmethod
    def _known(cls, value: frozenset[str]) -> frozenset[str]:
        for code in sorted(value - set(CODES)):
            raise ValueError(f"there is no rule {code!r}; expected some of {', '.join(CODES)}")
        return value

    @classmethod
    def of(cls, **values: Any) -> Rules:
        """Validated rules.

        Raises:
            OptionError: a threshold is out of range, or there is no such one.

        >>> Rules.of(min_confidence=1.5)
        Traceback (most recent call last):
        emotrace.errors.OptionError: min_confidence is 1.5; expected less than or equal to 1
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(problem(error)[1]) from error

    def with_changes(self, **changes: Any) -> Rules:
        """These rules with some other thresholds.

        Raises:
            OptionError: see :meth:`of`.

        >>> Rules().with_changes(min_gap=0.1).min_gap
        0.1
        """
        return Rules.of(**{**self.model_dump(), **changes})


def problem(error: ValidationError) -> tuple[str, str]:
    """The key that is wrong in a rule set, and the sentence about it."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "rules"
    if first["type"] == "extra_forbidden":
        return name, f"there is no threshold {name!r}; expected one of {', '.join(Rules.model_fields)}"
    message = in_words(first["msg"])
    message = message.replace("a valid frozenset", "a list of codes of rules")
    return name, f"{name} is {first['input']!r}; {message}"
