"""Every word of the pages, in English and Chinese."""

from __future__ import annotations

from typing import Any

from emotrace.errors import EmotraceError
from emotrace.labels import emotion
from emotrace.webui.languages import Language

TEXTS: dict[str, tuple[str, str]] = {
    # the page
    "title": ("emotrace · emotion from speech", "emotrace · 语音情绪识别"),
    "tagline": (
        "Which emotion is heard, how sure, and when not to believe it",
        "听出哪种情绪、有多大把握、何时不可轻信",
    ),
    "switch": ("中文", "English"),
    "switch.hint": ("Change to Chinese", "切换到英文"),
    "sign out": ("Sign out", "退出登录"),
    "tab.analyse": ("Analyse", "分析"),
    "tab.live": ("Live", "实时"),
    "tab.batch": ("Batch", "批量"),
    "tab.history": ("History", "历史"),
    "tab.about": ("About", "说明"),
    # options
    "recording": ("Recording: upload or record", "录音：上传或现场录制"),
    "sample.sentence": ("Example: one sentence", "示例：一句话"),
    "sample.moods": ("Example: several moods", "示例：多种情绪"),
    "granularity": ("Result", "结果粒度"),
    "granularity.utterance": ("One emotion", "整段一个情绪"),
    "granularity.frame": ("Over time", "随时间变化"),
    "granularity.segment": ("Between pauses", "按停顿分段"),
    "model": ("Model", "模型"),
    "model.auto": ("Automatic: {0}", "自动：{0}"),
    "smooth": ("Smoothing over time", "时间平滑"),
    "smooth.none": ("None", "不平滑"),
    "smooth.vote": ("Majority vote", "多数投票"),
    "smooth.ewma": ("Moving average", "指数移动平均"),
    "smooth.median": ("Median", "中值"),
    "smooth.hmm": ("Hidden Markov model", "隐马尔可夫模型"),
    "smooth.hmm-online": ("Hidden Markov model, half a second late", "隐马尔可夫模型（延迟半秒）"),
    "smooth.viterbi": ("Viterbi path", "维特比路径"),
    "preset": ("Rules of the verdict", "判定规则"),
    "preset.default": ("Default: all rules", "默认：全部规则"),
    "preset.classic": ("Classic: three rules of scores", "经典：三条分数规则"),
    "preset.customer-service": ("Customer service: telephone calls", "客服：电话录音"),
    "preset.screening": ("Screening: a person looks at each", "筛查：逐条人工复核"),
    "preset.social-robot": ("Social robot: answers at once", "社交机器人：即时应答"),
    "channel": ("Channel", "声道"),
    "channel.mean": ("All together", "全部混合"),
    "channel.0": ("First (left)", "第一声道（左）"),
    "channel.1": ("Second (right)", "第二声道（右）"),
    "embedding": ("Add the embedding to the downloads", "下载中附带特征向量"),
    "analyse": ("Analyse", "开始分析"),
    # progress and results
    "empty.analyse": (
        "Upload a recording, speak into the microphone, or try the example. The result appears here.",
        "上传录音、对着麦克风说话，或试用示例录音。结果显示在这里。",
    ),
    "no recording": ("There is no recording yet: upload one, or record.", "还没有录音：请先上传或录制。"),
    "step.wait": ("Waiting for a free place", "等待空闲处理位"),
    "step.load": ("Loading the model", "正在加载模型"),
    "step.read": ("Reading the recording", "正在读取录音"),
    "step.recognise": ("Recognising", "正在识别"),
    "step.draw": ("Drawing", "正在绘制"),
    "confidence": ("confidence {0}", "置信度 {0}"),
    "top": ("Three likeliest", "最可能的三种"),
    "scores": ("All scores", "全部得分"),
    "timeline": ("Over time", "时间轴"),
    "shares": ("Share of the time", "时间占比"),
    "timeline.alt": ("Waveform in the colours of the emotions, {0} long", "按情绪着色的波形，时长 {0}"),
    "segments": ("Segments", "语段"),
    "start": ("From", "开始"),
    "end": ("To", "结束"),
    "emotion": ("Emotion", "情绪"),
    "sureness": ("Confidence", "置信度"),
    "play": ("Play from here", "从此处播放"),
    "keep": ("Reliable", "可信"),
    "flag": ("Look at it before use", "使用前请复核"),
    "drop": ("Not to be relied on", "不可依赖"),
    "keep.short": ("reliable", "可信"),
    "flag.short": ("look again", "复核"),
    "drop.short": ("unreliable", "不可依赖"),
    "notes": ("Warnings and advice", "提醒与建议"),
    "notes.none": ("Nothing speaks against this result.", "没有发现影响结果可信度的问题。"),
    "log": ("Log", "日志"),
    "log.file": ("{0}: {1}", "{0}：{1}"),
    "log.model": ("model {0}, {1}, {2}, {3}", "模型 {0}，{1}，{2}，{3}"),
    "log.length": ("{0} of sound, {1} of speech", "音频 {0}，其中语音 {1}"),
    "log.level": ("level {0} dB, peak {1} dB, clipped {2} %", "电平 {0} dB，峰值 {1} dB，削波 {2} %"),
    "log.snr": ("speech {0} dB over noise, bandwidth {1} kHz", "信噪比 {0} dB，带宽 {1} kHz"),
    "log.track": ("over time: {0}, smoothing: {1}", "时间轴：{0}，平滑：{1}"),
    "log.time": (
        "recognised in {0} s, {1} times faster than it was spoken",
        "识别用时 {0} 秒，为实时的 {1} 倍",
    ),
    "log.kept": ("kept in the history as {0}", "已存入历史，编号 {0}"),
    "log.unkept": ("not kept in the history", "未存入历史"),
    "downloads": ("Downloads", "下载"),
    "downloads.note": ("Here for {0} minutes.", "保留 {0} 分钟。"),
    "format.npy": ("Embedding", "特征向量"),
    "format.zip": ("Result folder", "结果文件夹"),
    "format.png": ("Picture", "图片"),
    "format.svg": ("Picture, SVG", "矢量图"),
    "format.wav": ("Sound", "音频"),
    # live
    "live.intro": (
        "Speak, and the curve follows. The sound goes to this server only and is not kept.",
        "说话时曲线随之变化。声音只发送到本服务器，不会保存。",
    ),
    "live.start": ("Start the microphone", "打开麦克风"),
    "live.stop": ("Stop", "停止"),
    "live.idle": ("The microphone is off.", "麦克风未开启。"),
    "live.opening": ("Opening the microphone ...", "正在打开麦克风……"),
    "live.waiting": ("Listening. Nobody speaks just now.", "正在聆听，目前没有人说话。"),
    "live.speaking": ("Somebody speaks.", "检测到说话。"),
    "live.ending": ("Finishing ...", "正在结束……"),
    "live.ended": ("Stopped after {0} s.", "已停止，共 {0} 秒。"),
    "live.latency": ("{0} ms after the sound", "延迟 {0} 毫秒"),
    "live.segments": ("What was said, stretch by stretch", "逐段结果"),
    "live.curve": ("Probability of each emotion over the last {0} seconds", "最近 {0} 秒内各情绪的概率"),
    "live.denied": (
        "The browser gives no access to the microphone: allow it beside the page's address, and try again.",
        "浏览器未允许使用麦克风：请在地址栏旁允许后重试。",
    ),
    "live.missing": (
        "No microphone was found: connect one and try again, or upload a recording.",
        "未找到麦克风：请连接麦克风后重试，或上传录音。",
    ),
    "live.taken": (
        "The microphone cannot be opened: close other programs that use it, and try again.",
        "无法打开麦克风：请关闭正在使用它的其他程序后重试。",
    ),
    "live.insecure": (
        "Browsers give a microphone to pages with https or on this machine only: ask for an https address, "
        "or upload a recording.",
        "浏览器只允许 https 页面或本机页面使用麦克风：请改用 https 地址，或上传录音。",
    ),
    "live.limit": (
        "The longest time of one stream is over: start again.",
        "已达到单次实时的最长时间：请重新开始。",
    ),
    "live.lost": ("The connection was lost: start again.", "连接已断开：请重新开始。"),
    "live.smoothing": ("Smoothed curve", "平滑曲线"),
    # batch
    "batch.files": ("Recordings: drop many files here", "录音：可拖入多个文件"),
    "batch.start": ("Analyse all", "全部分析"),
    "batch.empty": (
        "Choose recordings or films; together at most {0}.",
        "选择音频或视频文件，合计不超过 {0}。",
    ),
    "batch.none": ("There are no files yet: choose some.", "还没有文件：请先选择。"),
    "batch.many": (
        "One batch takes at most {0} recordings: leave some out.",
        "每批最多 {0} 个录音：请减少文件。",
    ),
    "batch.progress": ("{0} of {1} done", "已完成 {0}／{1}"),
    "batch.left": ("About {0} left.", "约剩 {0}。"),
    "batch.leave": (
        "You may close this page: the server goes on, and the result is here when you come back.",
        "可以关闭本页面：服务器会继续处理，回来后在此查看结果。",
    ),
    "batch.stay": (
        "This server keeps nothing: stay on this page until all is done.",
        "本服务器不保存结果：全部完成前请勿离开本页面。",
    ),
    "batch.cancel": ("Cancel the rest", "取消剩余文件"),
    "batch.cancelled": ("Cancelled: {0}, {1} left out", "已取消：{0}，未处理 {1} 个"),
    "batch.earlier": ("Batches", "批次"),
    "batch.called": ("{0}, recordings: {1}", "{0}，{1} 个文件"),
    "batch.state.queued": ("waiting", "等待中"),
    "batch.state.running": ("recognising", "正在识别"),
    "batch.state.cancelled": ("left out", "未处理"),
    "batch.state.deleted": ("deleted since", "结果已删除"),
    "batch.done": ("{0} analysed, {1} failed", "已分析 {0} 个，失败 {1} 个"),
    "batch.more": (
        "The first {0} of {1}; the files have all.",
        "仅显示前 {0} 个，共 {1} 个；全部结果见下载文件。",
    ),
    "batch.name": ("File", "文件"),
    "batch.emotion": ("Emotion", "情绪"),
    "batch.sureness": ("Confidence", "置信度"),
    "batch.verdict": ("Verdict", "判定"),
    "batch.length": ("Length", "时长"),
    "batch.all": ("Everything as ZIP", "全部打包 ZIP"),
    "batch.table": ("Table as CSV", "表格 CSV"),
    "batch.lines": ("Lines of JSON", "逐行 JSON"),
    # history
    "history.off": (
        "This server keeps nothing, so there is no history.",
        "本服务器不保存结果，因此没有历史。",
    ),
    "history.search": ("Search names, notes and corrections", "搜索文件名、备注或更正"),
    "history.emotion": ("Emotion", "情绪"),
    "history.verdict": ("Verdict", "判定"),
    "history.any": ("Any", "不限"),
    "history.review": ("Review queue: doubtful ones first", "复核队列：存疑的在前"),
    "history.find": ("Search", "搜索"),
    "history.more": ("Show more", "显示更多"),
    "history.none": ("Nothing was found.", "没有找到结果。"),
    "history.choose": ("Choose a recording in the list.", "请在列表中选择一条录音。"),
    "history.corrected": ("corrected: {0}", "已更正：{0}"),
    "feedback.label": ("Right emotion", "正确的情绪"),
    "feedback.note": ("Note", "备注"),
    "feedback.send": ("Save feedback", "保存反馈"),
    "feedback.saved": ("The feedback is kept.", "反馈已保存。"),
    "feedback.choose": ("Choose the right emotion first.", "请先选择正确的情绪。"),
    "delete": ("Delete", "删除"),
    "delete.sure": ("Delete it with its sound and embedding", "连同声音和特征向量一起删除"),
    "deleted": ("It is deleted, with its sound and embedding.", "已删除，包括声音和特征向量。"),
    # about
    "about.kept": ("What is kept", "保存的内容"),
    "about.kept.pages": (
        "What you upload to these pages is kept in a temporary folder, and removed after {0} minutes.",
        "在本页面上传的文件存放在临时文件夹中，{0} 分钟后删除。",
    ),
    "about.kept.nothing": ("Results are not kept any longer than that.", "结果的保存时间与此相同。"),
    "about.kept.results": (
        "Results are kept in the history; the recordings themselves are {0}.",
        "结果存入历史；原始录音{0}。",
    ),
    "about.kept.audio": ("kept, too", "一并保存"),
    "about.kept.no audio": ("not", "不保存"),
    "about.kept.batch": (
        "Recordings of a batch wait on this server until they are recognised.",
        "批量录音在识别完成前保存在本服务器上。",
    ),
    "about.kept.days": ("Everything is removed after {0} days.", "全部内容在 {0} 天后删除。"),
    "about.kept.ever": ("They stay until somebody deletes them.", "内容会一直保存，直到有人删除。"),
    "about.kept.disk": (
        "They take at most {0} of disk; the oldest go first.",
        "最多占用 {0} 磁盘，最旧的先删除。",
    ),
    "about.kept.live": (
        "The live page keeps neither sound nor results; programs that stream may have theirs kept as above.",
        "“实时”页面既不保存声音也不保存结果；程序的实时流可按上述规则保存。",
    ),
    "about.kept.out": (
        "Nothing leaves this server: no telemetry, no other hosts.",
        "没有任何内容离开本服务器：无遥测，不访问其他主机。",
    ),
    "about.limits": ("Settings and limits of this server", "本服务器的设置与限制"),
    "about.limits.model": ("Model", "模型"),
    "about.limits.workers": ("Recognised side by side", "同时识别数"),
    "about.limits.streams": ("Live streams side by side", "同时实时流数"),
    "about.limits.bytes": ("Largest upload", "最大上传"),
    "about.limits.seconds": ("Longest recording", "最长录音"),
    "about.limits.deadline": ("Longest wait for a result", "等待结果的最长时间"),
    "about.limits.files": ("Recordings of one batch", "每批录音数"),
    "about.limits.batch": ("Longest recording of a batch", "批量录音最长时长"),
    "about.limits.queue": ("Requests that may wait", "可排队的请求数"),
    "about.models": ("Models", "模型"),
    "about.model.name": ("Name", "名称"),
    "about.model.state": ("State", "状态"),
    "about.model.size": ("Size", "大小"),
    "about.model.licence": ("Licence", "许可"),
    "state.unloaded": ("not loaded", "未加载"),
    "state.loading": ("loading", "加载中"),
    "state.loaded": ("loaded", "已加载"),
    "state.failed": ("failed", "加载失败"),
    "about.use": ("Intended use and limits", "用途与局限"),
    "about.use.people": (
        "A voice shows how somebody sounds, not what they feel. Do not decide about people with it.",
        "声音只反映听起来如何，不等于真实感受。请勿据此对人作出决定。",
    ),
    "about.use.for": ("Intended use", "预期用途"),
    "about.use.not": ("Not for", "不适用于"),
    "about.use.training": ("Trained on", "训练数据"),
    "about.use.named": ("Named as on the model's card.", "指标名称沿用模型卡的英文原文。"),
    "about.use.figures": ("Measured", "实测指标"),
    "about.versions": ("Versions", "版本"),
    "about.licences": ("Licences", "许可证"),
    "about.licences.program": ("emotrace: Apache-2.0", "emotrace：Apache-2.0"),
    "about.licences.model": ("Model {0}: {1}", "模型 {0}：{1}"),
    "about.licences.ui": (
        "These pages are made with Gradio (Apache-2.0).",
        "页面由 Gradio（Apache-2.0）构建。",
    ),
    "about.api": ("For programs there is a REST API:", "程序可使用 REST API："),
    # what Gradio says to screen readers, by its own words or how they begin
    "name.Upload file": ("Upload file", "上传文件"),
    "name.File upload": ("File upload", "上传文件"),
    "name.Click to upload": ("Click to upload or drop files", "点击上传，或拖入文件"),
    "name.Record audio": ("Record audio", "录音"),
    "name.Select input device": ("Select the microphone", "选择麦克风"),
    "name.pause": ("Pause", "暂停"),
    "name.Adjust playback speed": ("Change the speed", "播放速度"),
    "name.Adjust volume": ("Change the volume", "音量"),
    "name.Skip backwards": ("Skip backwards", "快退"),
    "name.Skip forward": ("Skip forward", "快进"),
    "name.Trim audio": ("Trim to the selection", "裁剪到所选部分"),
    "name.Reset audio": ("Reset the sound", "恢复原始音频"),
    # errors
    "error": ("Error", "错误"),
    "reconnect": (
        "The connection was lost; the page loads again as soon as the server is back.",
        "连接已断开；服务器恢复后页面会自动重新加载。",
    ),
    "error.other": ("This did not work; the server's log says why.", "操作未成功；原因见服务器日志。"),
    "error.audio": (
        "The file cannot be read as audio: send a recording.",
        "该文件无法作为音频读取：请换一个录音。",
    ),
    "error.no-channel": (
        "The recording has no such channel: take all together, or another.",
        "录音没有该声道：请选择全部混合或其他声道。",
    ),
    "error.job-not-found": (
        "This batch is not there any more: choose another.",
        "该批次已不存在：请选择其他批次。",
    ),
    "error.no-audio": ("There is no sound in the file: send a recording.", "文件中没有声音：请换一个录音。"),
    "error.no-speech": (
        "There is no speech in the recording: check the microphone, or choose another.",
        "录音中没有语音：请检查麦克风，或换一个录音。",
    ),
    "error.input": (
        "The recording cannot be used: too short, or far out of range.",
        "录音无法使用：过短或数值严重超限。",
    ),
    "error.limit": (
        "The recording is larger or longer than this server takes: cut it.",
        "录音超过本服务器的大小或时长限制：请裁剪后再试。",
    ),
    "error.option": ("These options do not go together: change one.", "这些选项不能同时使用：请修改后再试。"),
    "error.busy": ("Too many requests wait already: try again in a moment.", "等待的请求过多：请稍后再试。"),
    "error.rate": ("Too many requests came from you: wait a minute.", "您的请求过于频繁：请一分钟后再试。"),
    "error.deadline": (
        "It took too long: try again later, or send a shorter recording.",
        "处理超时：请稍后再试，或使用较短的录音。",
    ),
    "error.forbidden": (
        "Your key may not do this: ask for one that may.",
        "您的密钥无权执行此操作：请申请相应权限。",
    ),
    "error.unauthorized": (
        "You are not signed in any more: load the page again, and sign in.",
        "登录已失效：请重新加载页面并登录。",
    ),
    "error.model-not-found": (
        "This model is not installed any more: choose another.",
        "该模型已不再安装：请选择其他模型。",
    ),
    "error.not-found": ("It is not there any more: load the page again.", "内容已不存在：请重新加载页面。"),
    "error.recognition-not-found": (
        "This recording is no longer kept.",
        "该录音已不再保存。",
    ),
    "error.not-ready": ("The model is being loaded: try again in a moment.", "模型正在加载：请稍后再试。"),
    "error.upload-timeout": ("Nothing came for too long: start again.", "过久没有收到数据：请重新开始。"),
    "error.stopping": ("The server is being stopped: try again later.", "服务器正在停止：请稍后再试。"),
    "error.store": ("The history cannot be reached: try again later.", "历史暂时无法访问：请稍后再试。"),
}
"""English and Chinese by key; ``{0}`` and ``{1}`` are filled in."""


class Words:
    """The words of one language.

    Args:
        language: of the page.

    >>> Words("zh")("confidence", "75 %"), Words("en").label("sad")
    ('置信度 75 %', 'sad')
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._index = 1 if language == "zh" else 0

    def __call__(self, key: str, *values: object) -> str:
        """A text with its values."""
        return TEXTS[key][self._index].format(*values)

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in TEXTS

    def for_script(self) -> dict[str, Any]:
        """What the page's own script says: errors by their code, and a few words more."""
        said = {key.removeprefix("error."): self(key) for key in TEXTS if key.startswith("error.")}
        more = {"microphone": "live.denied", "lost": "live.lost", "leave": "sign out"}
        more |= {"error": "error", "reconnect": "reconnect"}
        microphones = {name: self(f"live.{name}") for name in ("denied", "missing", "taken", "insecure")}
        names = {key.removeprefix("name."): self(key) for key in TEXTS if key.startswith("name.")}
        said |= {name: self(key) for name, key in more.items()}
        return {**said, "microphones": microphones, "names": names}

    def label(self, name: str) -> str:
        """Name of an emotion."""
        return emotion(name).zh if self.language == "zh" else name

    def error(self, error: BaseException) -> str:
        """What went wrong, in one sentence.

        >>> from emotrace.errors import NoSpeechError
        >>> Words("zh").error(NoSpeechError("no speech in 'talk.wav'"))
        '录音中没有语音：请检查麦克风，或换一个录音。'
        """
        return self.problem(error.code if isinstance(error, EmotraceError) else "other", str(error))

    def problem(self, code: str, reason: str = "") -> str:
        """The same of an error's code and its own sentence."""
        if code == "audio" and " has no channel " in reason:
            code = "no-channel"
        return self(f"error.{code}") if f"error.{code}" in TEXTS else self("error.other")
