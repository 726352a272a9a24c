"""The compact model's card, written with the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotrace.labels import LABELS
from emotrace.models.compact_network import Crnn
from emotrace.models.package import CARD_FILE, Figure, ModelCard, read_card, write_package
from emotrace.training.export import export, sizes

LICENCE = """\
The weights in this folder (compact.onnx) are licensed under the Creative Commons
Attribution-NonCommercial-ShareAlike 4.0 International licence (CC BY-NC-SA 4.0,
https://creativecommons.org/licenses/by-nc-sa/4.0/), because they were trained on data under that licence:

  RAVDESS    Livingstone & Russo 2018, https://doi.org/10.5281/zenodo.1188976, CC BY-NC-SA 4.0
  nEMO       Christop 2024, https://arxiv.org/abs/2404.06292, CC BY-NC-SA 4.0
  Selvas     KAIST / Selvas AI emotional speech sample (EmotionTTS open DB), CC BY-NC-SA 4.0, for research
  EmoSpeech  Indian EmoSpeech command dataset, https://arxiv.org/abs/1910.13801, CC BY-NC-SA 4.0
  EMO-DB     Burkhardt et al. 2005, TU Berlin, CC0 1.0
  EmoGator   Buhl 2023, https://arxiv.org/abs/2301.00508, Apache-2.0
  ESC-10     Piczak 2015, https://doi.org/10.1145/2733373.2806390, CC BY 3.0, and further music and sounds
             under CC BY and public domain

The code of emotrace is licensed separately, under Apache-2.0.
"""

CARD: dict[str, Any] = {
    "name": "compact",
    "family": "compact",
    "version": "1",
    "labels": LABELS,
    "min_seconds": 0.1,
    "graphs": {"fp32": "compact.onnx"},
    "track": {"method": "sliding-window", "window": 1.5, "hop": 0.5},
    "description": (
        "Three small convolutional recurrent networks over mel and pitch spectra, averaged; trained from "
        "scratch on acted emotional speech in five languages."
    ),
    "training_data": (
        "Training speakers of EMO-DB (German), RAVDESS (English), nEMO (Polish), Selvas (Korean), Indian "
        "EmoSpeech (English) and EmoGator (vocal bursts); ESC-10 folds 1 and 2, music and sounds made by "
        "formula for `unknown`. 'other' was learned from boredom (EMO-DB) only."
    ),
    "licence": "CC-BY-NC-SA-4.0",
    "source": "trained by `make train-compact` in this repository",
    "intended_use": (
        "A first look at emotion in speech, offline and at once; research, teaching, tests of software "
        "around emotion2vec+. Better with a speaker reference."
    ),
    "not_for": (
        "Commercial use (licence). Decisions about people: hiring, credit, policing, health. Languages, "
        "children's and old voices, songs and spontaneous speech were not trained on and not measured."
    ),
}


def write_card(networks: Sequence[Crnn], folder: Path, **changes: Any) -> ModelCard:
    """Export networks and write their package.

    Args:
        networks: trained members.
        folder: of the package.
        **changes: fields of the card that differ from :data:`CARD`, for example ``figures``.
    """
    files = {"compact.onnx": export(networks), "LICENSE.txt": LICENCE.encode()}
    return write_package(folder, files, {**CARD, **sizes(networks), **changes})


def figures_of(report: Mapping[str, Any], split: str) -> tuple[Figure, ...]:
    """The figures of a report, as the card states them.

    Args:
        report: what :meth:`emotrace.training.protocol.Protocol.run` gives.
        split: which split it was run on.
    """
    judged = "EMO-DB, RAVDESS, nEMO"

    def figure(name: str, value: float, corpus: str = judged, interval: Any = None) -> Figure:
        bounds = None if interval is None else (round(interval[0], 3), round(interval[1], 3))
        return Figure(name=name, value=round(value, 3), interval=bounds, corpus=corpus, split=split)

    out = []
    for key, words in (("clip_alone", "clip alone"), ("with_reference", "with a reference of 10 clips")):
        part = report[key]
        name = f"mean unweighted average recall, {words}"
        out.append(figure(name, part["mean_recall"], interval=part["interval_by_speaker"]))
        out += [figure(f"unweighted average recall, {words}", v, c) for c, v in part["recall"].items()]
        out.append(figure(f"expected calibration error, {words}", part["expected_calibration_error"]))
        out.append(figure(f"share of speech called unknown, {words}", part["speech_called_unknown"]))
    for key in ("telephone", "noise_10_db", "minus_20_db", "plus_20_db"):
        out.append(figure(f"mean recall, clip alone, {key}", report[key]["clip_alone"]))
        out.append(figure(f"mean recall, with reference, {key}", report[key]["with_reference"]))
    if "unknown_recall_non_speech" in report:
        out.append(
            figure("recall of unknown", report["unknown_recall_non_speech"], "ESC-10 fold 3 and music")
        )
    stitched = report["stitched"]
    out.append(figure("frame accuracy, clip alone, two utterances joined", stitched["clip_alone"]))
    out.append(figure("frame accuracy, with reference, two utterances joined", stitched["with_reference"]))
    return tuple(out)


def set_temperature(folder: Path, temperature: float) -> None:
    """Write the temperature into a package's card; figures of another temperature are dropped."""
    _change(folder, temperature=temperature, figures=())


def _change(folder: Path, **fields: Any) -> None:
    card = read_card(folder).model_copy(update=fields)
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def add_figures(folder: Path, report: Mapping[str, Any], split: str) -> None:
    """Write the figures of a report into a package's card."""
    _change(folder, figures=figures_of(report, split))
