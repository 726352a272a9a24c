"""The service that people write today: FastAPI around FunASR's `AutoModel`; imports nothing of ours.

python benchmarks/server_peer.py CHECKPOINT THREADS PORT
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, UploadFile

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.engine_peer import load


def app_of(model: Any) -> Any:
    """One route, which answers what the model gives."""
    app = FastAPI()

    @app.post("/v1/recognitions")
    def recognise(audio: UploadFile) -> Any:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            file.write(audio.file.read())
            file.flush()
            [result] = model.generate(file.name, granularity="utterance", extract_embedding=False)
        return {"labels": result["labels"], "scores": [float(score) for score in result["scores"]]}

    return app


if __name__ == "__main__":
    import uvicorn

    checkpoint, threads, port = sys.argv[1:]
    uvicorn.run(app_of(load(checkpoint, int(threads))), port=int(port), log_level="warning")
