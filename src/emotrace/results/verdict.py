"""Whether a result is to be believed, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a result is not simply kept.

    Attributes:
        code: stable name of the rule, for example ``"low-confidence"``.
        decision: what it leads to: ``"flag"`` or ``"drop"``.
        value: the number that was judged.
        threshold: the limit that it is beyond.
        sentence: what was found, in English.
        sentence_zh: the same in Chinese.
        advice: what can be done about it, in English.
        advice_zh: the same in Chinese.
    """

    code: str
    decision: str
    value: float
    threshold: float
    sentence: str
    sentence_zh: str
    advice: str
    advice_zh: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a result is to be believed.

    Attributes:
        decision: ``"keep"``, ``"flag"`` (look at it before use) or ``"drop"``: the gravest of the reasons'.
        reasons: in the order of the rules.
    """

    decision: str
    reasons: tuple[Reason, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each reason.

        >>> Verdict("keep").codes
        ()
        """
        return tuple(reason.code for reason in self.reasons)
