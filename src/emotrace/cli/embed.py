"""``emotrace embed``: embeddings without emotions, also of models that have no emotion head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.messages import tell
from emotrace.cli.options import Device, Model, Precision, Server, Threads

if TYPE_CHECKING:
    from emotrace.results import Array

EXAMPLES = """\b
Examples:
  emotrace embed talk.wav --out talk.npy
  emotrace embed talk.wav --out frames.npy --frames --model emotion2vec_base
  cat talk.wav | emotrace embed - --out talk.npy
"""


def embed(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="Audio or film file, or - for standard input.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="NumPy file (.npy) to write.", show_default=False)
    ],
    frames: Annotated[
        bool, typer.Option("--frames", help="Every native frame, (T, D), instead of the whole, (D,).")
    ] = False,
    model: Model = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Threads = 0,
    server: Server = None,
) -> None:
    """Write the embedding of a recording.

    Up to 30 s are encoded whole; a longer recording is cut at pauses, its embedding is the mean over the
    speech, and its frames are those of the speech.
    """
    from emotrace.audio import Limits
    from emotrace.cli.inputs import Recordings
    from emotrace.errors import OptionError
    from emotrace.outputs.writing import check_file
    from emotrace.recognition import Recognizer

    if out.suffix != ".npy":
        raise OptionError(f"--out is {str(out)!r}; expected a name that ends in .npy")
    check_file(out)
    source = Recordings(twice=False, max_bytes=Limits().max_bytes).open(recording)
    if server is not None:
        if (precision, device, threads) != ("auto", "auto", 0):
            raise OptionError(
                "precision, device and threads are the server's own; leave them out with --server"
            )
        from emotrace.cli.remote import client_of

        with client_of(server) as client:
            _write(out, array := client.embed(source, frames=frames, model=model))
        tell(f"written to {str(out)!r}: float32 {array.shape}, by {server}")
        return
    recognizer = Recognizer(model, precision=precision, device=device, threads=threads)
    result = recognizer.embed(source, frame_embeddings=frames)
    values = result.frame_embeddings if frames else result.embedding
    assert values is not None
    _write(out, values)
    info = result.model
    tell(
        f"written to {str(out)!r}: float32 {values.shape}, {info.name}, {info.precision} on {info.device}"
        + (f", a frame every {recognizer.card.frame_hop * 1000:g} ms" if frames else "")
    )


def _write(path: Path, values: Array) -> None:
    import numpy as np

    from emotrace.outputs.writing import replacing

    with replacing(path) as partial, partial.open("wb") as file:
        np.save(file, values, allow_pickle=False)
