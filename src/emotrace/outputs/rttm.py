"""RTTM, the line format of the NIST evaluations of speech, with the emotion as name."""

from __future__ import annotations

from emotrace.outputs.annotation import Annotation


def rttm(annotation: Annotation) -> str:
    """The lines of a recording: ``SPEAKER name 1 start duration <NA> <NA> emotion confidence <NA>``.

    Fields have no spaces in them, so those of the name become ``_``. Times are seconds.

    >>> from emotrace.outputs.annotation import Interval
    >>> sad = Interval(500, 1750, "sad", 0.75, {})
    >>> print(rttm(Annotation("a b.wav", "a b", 2000, (sad,), (), (), (), "", "")), end="")
    SPEAKER a_b 1 0.500 1.250 <NA> <NA> sad 0.7500 <NA>
    """
    name = "_".join(annotation.name.split())
    return "".join(
        f"SPEAKER {name} 1 {each.start / 1000:.3f} {(each.end - each.start) / 1000:.3f} "
        f"<NA> <NA> {each.label} {each.confidence:.4f} <NA>\n"
        for each in annotation.emotions
    )
