"""What the cards of known models say, in Chinese; other cards are shown as they are."""

from __future__ import annotations

from emotrace.webui.languages import Language

IN_CHINESE = {
    "A first look at emotion in speech, offline and at once; research, teaching, tests of software around "
    "emotion2vec+. Better with a speaker reference.": (
        "离线、即时地初步了解语音情绪；用于科研、教学以及 emotion2vec+ 周边软件的测试。"
        "提供说话人参考录音时效果更好。"
    ),
    "Commercial use (licence). Decisions about people: hiring, credit, policing, health. Languages, "
    "children's and old voices, songs and spontaneous speech were not trained on and not measured.": (
        "商业用途（受许可证限制）。对人作出决定：招聘、信贷、执法、医疗。"
        "其他语言、儿童与老年人声音、歌唱以及自发言语均未经训练，也未经测量。"
    ),
    "Training speakers of EMO-DB (German), RAVDESS (English), nEMO (Polish), Selvas (Korean), Indian "
    "EmoSpeech (English) and EmoGator (vocal bursts); ESC-10 folds 1 and 2, music and sounds made by "
    "formula for `unknown`. 'other' was learned from boredom (EMO-DB) only.": (
        "EMO-DB（德语）、RAVDESS（英语）、nEMO（波兰语）、Selvas（韩语）、Indian EmoSpeech（英语）"
        "和 EmoGator（情绪发声）的训练说话人；“未知”类使用 ESC-10 第 1、2 折以及由公式合成的音乐和声音。"
        "“其他”类仅学自 EMO-DB 的“无聊”。"
    ),
    "Emotion in speech, of a clip and over time; embeddings of speech.": (
        "识别语音片段的情绪及其随时间的变化；提取语音特征向量。"
    ),
    "Embeddings of speech.": "提取语音特征向量。",
    "Decisions about people: hiring, credit, policing, health.": "对人作出决定：招聘、信贷、执法、医疗。",
    "As its publishers say; the checkpoint does not tell.": "以发布者的说明为准；模型文件中没有记载。",
}


def in_language(text: str, language: Language) -> str:
    """A sentence of a card.

    >>> in_language("Embeddings of speech.", "zh"), in_language("Mine.", "zh")
    ('提取语音特征向量。', 'Mine.')
    """
    return IN_CHINESE.get(text, text) if language == "zh" else text
