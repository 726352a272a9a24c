"""Models as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from emotrace.cli.amounts import shown_bytes
from emotrace.cli.messages import one_line

if TYPE_CHECKING:
    from emotrace.models.card import Figure, Int8Figures, ModelCard
    from emotrace.models.listing import Row


def echo_json(value: Any) -> None:
    """JSON on one line of standard output."""
    from json import dumps

    typer.echo(dumps(value, ensure_ascii=False))


def list_text(rows: Sequence[Row]) -> str:
    """The table of ``models list``."""
    lines = [_installed(row) for row in rows if row.installed]
    absent = [row for row in rows if not row.installed]
    if absent:
        lines += ["", f"can be pulled ({absent[0].licence}):"]
        lines += [f"  {row.pull:<50} {row.description}" for row in absent]
    return "\n".join(lines)


def _installed(row: Row) -> str:
    mark = "*" if row.default else " "
    head = f"{mark} {row.name:<26} {row.version or '?':<8}"
    if row.problem is not None:
        return f"{head} {one_line(row.problem)}"
    licence = (row.licence or "?").partition(" (")[0]  # without its address, which `info` shows
    return (
        f"{head} {', '.join(row.precisions or ()):<10} {shown_bytes(row.bytes or 0):>9}  {licence}\n"
        f"    {one_line(row.description or '')}\n    {one_line(row.folder or '')}"
    )


def card_text(card: ModelCard, folder: str, problem: str | None) -> str:
    """The table of ``models info``."""
    return "\n".join(f"{name:<18} {one_line(text)}" for name, text in _rows(card, folder, problem) if text)


def _rows(card: ModelCard, folder: str, problem: str | None) -> Iterator[tuple[str, str | None]]:
    yield "model", f"{card.name} {card.version} ({card.family})"
    yield "problem", problem
    yield "what", card.description
    yield "for", card.intended_use
    yield "not for", card.not_for
    yield "trained on", card.training_data
    yield "licence", card.licence
    yield "attribution", card.attribution
    yield "source", card.source
    yield from _provenance(card)
    yield "emotions", _emotions(card)
    yield "precisions", ", ".join(card.graphs)
    yield "frames", f"{card.frame_hop * 1000:g} ms, {card.frame_size} wide"
    yield "embedding", f"{card.embedding_size} wide"
    yield "speaker reference", "can use one" if card.speaker_reference else "uses none"
    track = card.track
    yield "over time", f"{track.method}, {track.window:g} s every {track.hop:g} s"
    yield "shortest clip", f"{card.min_seconds:g} s"
    yield "longest piece", f"{card.max_seconds:g} s" if card.max_seconds else None
    yield "size", shown_bytes(card.total_bytes)
    yield "folder", folder
    if card.int8 is not None:
        yield "int8", int8_text(card.int8)
    if card.parity is not None:
        yield (
            "parity",
            f"features within {card.parity.frames_max_abs:.1e} of the source network's, probabilities within "
            f"{card.parity.probability_max_abs:.1e} ({card.parity.runtime})",
        )
    yield from (("measured", _figure(figure)) for figure in card.figures)


def _provenance(card: ModelCard) -> Iterator[tuple[str, str | None]]:
    made = card.provenance
    if made is not None:
        at = f" at {made.revision}" if made.revision else ""
        yield "checkpoint", f"{made.origin}{at} ({made.hub})"
        yield (
            "its weights",
            f"{shown_bytes(made.checkpoint_bytes)}, sha256 {made.checkpoint_sha256}, converted with "
            f"{made.converted_with}",
        )


def _emotions(card: ModelCard) -> str:
    if not card.has_head:
        return "none: embeddings only"
    without = f", never {', '.join(card.masked)}" if card.masked else ""
    return f"{len(card.labels) - len(card.masked)}{without}"


def int8_text(figures: Int8Figures) -> str:
    """What was measured of an int8 graph."""
    verdict = "within" if figures.within_bound else "OUTSIDE"
    return (
        f"agrees with fp32 on {figures.utterance_agreement:.1%} of clips and "
        f"{figures.frame_agreement:.1%} of frames, probabilities change by at most "
        f"{figures.utterance_change:.4f} and {figures.frame_change:.4f}: {verdict} its bound "
        f"({figures.lowest_agreement:.0%}, {figures.largest_change:g}); {figures.speed_ratio:.2f} times as "
        f"fast as fp32; {figures.clips} clips of {figures.speech}; {figures.cpu}, {figures.runtime}"
    )


def _figure(figure: Figure) -> str:
    interval = f" [{figure.interval[0]:.3f}, {figure.interval[1]:.3f}]" if figure.interval else ""
    return f"{figure.name}: {figure.value:.3f}{interval} on {figure.corpus}, {figure.split}"
