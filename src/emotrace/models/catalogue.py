"""The published checkpoints that emotrace knows by name: where they are, under which licence.

Sources: the table of checkpoints in the emotion2vec project's README, and FunASR's model licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from emotrace.errors import ModelNotFoundError, OptionError

Hub = Literal["huggingface", "modelscope"]
HUBS: tuple[Hub, ...] = get_args(Hub)

REQUIRED = ("model.pt", "config.yaml", "tokens.txt")
"""Files of a checkpoint that the conversion reads."""

EXAMPLE = "example/test.wav"
"""The clip that comes with a checkpoint; taken along where it is published."""

LICENCE = "FunASR Model Open Source License Agreement 1.1"
LICENCE_URL = "https://github.com/modelscope/FunASR/blob/main/MODEL_LICENSE"
ATTRIBUTION = (
    "emotion2vec by Ziyang Ma et al. (https://github.com/ddlBoJack/emotion2vec), published with FunASR by "
    "Alibaba Group"
)
NOTICE = (
    f"The weights are under the {LICENCE} ({LICENCE_URL}): use, copy, change and share them freely, name "
    "their source and authors, and keep the model's name. They come without warranty. "
    f"Attribution: {ATTRIBUTION}."
)


@dataclass(frozen=True, slots=True)
class Golden:
    """What the publishers' own code gave on the example clip.

    Attributes:
        scores: probability of some labels.
        source: where it was published.
    """

    scores: Mapping[str, float]
    source: str


@dataclass(frozen=True, slots=True)
class Published:
    """A published checkpoint.

    Attributes:
        name: by which it is asked for, and under which it is installed.
        repositories: its repository on each hub that has it.
        parameters: millions that inference needs.
        note: what sets it apart, in a few words.
        golden: published result on its example clip, where one is known.
        head: whether it has the head that gives emotions; without one, its labels are not taken along.
    """

    name: str
    repositories: Mapping[Hub, str]
    parameters: int
    note: str
    golden: Golden | None = None
    head: bool = True

    def hub(self, asked: str = "auto") -> Hub:
        """The hub to take it from: the asked-for one; else Hugging Face where it is there.

        Raises:
            OptionError: there is no such hub.
            ModelNotFoundError: the hub does not have it.

        >>> published("emotion2vec_base_finetuned").hub()
        'modelscope'
        """
        if asked == "auto":
            return next(hub for hub in HUBS if hub in self.repositories)
        if asked not in HUBS:
            raise OptionError(f"hub is {asked!r}; expected one of auto, {', '.join(HUBS)}")
        for hub in self.repositories:
            if hub == asked:
                return hub
        raise ModelNotFoundError(
            f"{self.name!r} is not known to be on {asked}; take it from {', '.join(self.repositories)}"
        )


def _both(name: str) -> dict[Hub, str]:
    return {"huggingface": f"emotion2vec/{name}", "modelscope": f"iic/{name}"}


CATALOGUE: Mapping[str, Published] = {
    row.name: row
    for row in (
        Published(
            "emotion2vec_plus_large",
            _both("emotion2vec_plus_large"),
            162,
            "the most accurate; nine emotions",
            Golden(
                {"sad": 0.8683824, "happy": 0.1217915, "surprised": 0.0043843, "angry": 0.0037931},
                "https://github.com/ddlBoJack/emotion2vec/issues/88",
            ),
        ),
        Published("emotion2vec_plus_base", _both("emotion2vec_plus_base"), 93, "smaller; nine emotions"),
        Published(
            "emotion2vec_plus_seed",
            _both("emotion2vec_plus_seed"),
            93,
            "trained on academic corpora only; nine emotions",
        ),
        Published(
            "emotion2vec_base_finetuned",
            {"modelscope": "iic/emotion2vec_base_finetuned"},
            93,
            "the first release; nine emotions",
        ),
        Published(
            "emotion2vec_base", _both("emotion2vec_base"), 93, "embeddings only, no emotions", head=False
        ),
    )
}
"""Every known checkpoint by name, best first."""


def published(name: str) -> Published:
    """The checkpoint of a name.

    Raises:
        ModelNotFoundError: none has this name.

    >>> published("emotion2vec_plus_large").repositories["modelscope"]
    'iic/emotion2vec_plus_large'
    """
    if name not in CATALOGUE:
        raise ModelNotFoundError(f"no model {name!r} is known; expected one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def required(repository: str) -> tuple[str, ...]:
    """Files that a repository must have.

    >>> required("iic/emotion2vec_base")
    ('model.pt', 'config.yaml')
    """
    rows = (row for row in CATALOGUE.values() if repository in row.repositories.values())
    return REQUIRED if all(row.head for row in rows) else REQUIRED[:2]
