"""From sound to emotion: one code path for files, arrays, long recordings and lists of them."""

from emotrace.recognition.options import RecognitionOptions
from emotrace.recognition.recognizer import Recognizer

__all__ = ["RecognitionOptions", "Recognizer"]
