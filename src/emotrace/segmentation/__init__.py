"""Where the speech is: voice activity, and stretches cut at pauses."""

from emotrace.segmentation.stretches import CutRule, Stretch, StretchCutter
from emotrace.segmentation.voice_activity import VoiceActivity

__all__ = ["CutRule", "Stretch", "StretchCutter", "VoiceActivity"]
