"""Where the speech is, what else there is, and how well it can be heard."""

from emotrace.segmentation.quality import QualityMeter, signal_quality
from emotrace.segmentation.stretches import CutRule, Stretch, StretchCutter
from emotrace.segmentation.voice_activity import VoiceActivity

__all__ = ["CutRule", "QualityMeter", "Stretch", "StretchCutter", "VoiceActivity", "signal_quality"]
