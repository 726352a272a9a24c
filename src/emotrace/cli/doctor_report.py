"""What ``emotrace doctor`` looks at."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import emotrace
from emotrace.errors import EmotraceError

PACKAGES = (
    "av",
    "jinja2",
    "numpy",
    "onnxruntime",
    "platformdirs",
    "pydantic",
    "rich",
    "soxr",
    "typer",
)
"""What the base installation needs."""

EXTRAS = {
    "plot": ("matplotlib",),
    "analysis": ("pyarrow",),
    "formats": ("audformat",),
    "cloud": ("fsspec", "s3fs"),
    "ray": ("pyarrow", "ray"),
    "convert": ("filelock", "huggingface_hub", "onnx", "safetensors", "torch", "yaml"),
    "client": ("httpx",),
    "server": (
        *(
            "alembic",
            "dbos",
            "fastapi",
            "filelock",
            "gradio",
            "httptools",
            "itsdangerous",
            "prometheus_client",
        ),
        *("psycopg", "pydantic_settings", "python_multipart", "sqlalchemy", "starlette", "typing_extensions"),
        *("uvicorn", "websockets"),
        *(() if sys.platform == "win32" else ("uvloop",)),
    ),
    "live": ("sounddevice",),
    "train": ("onnx", "scipy", "sklearn", "torch"),
    "bench": ("librosa",),
}
"""The modules of each extra that a user may want."""

_FEATURES = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve"),
)


def examine() -> dict[str, Any]:
    """The whole report; ``ok`` is False if a package or model is broken or the recognition fails."""
    packages = {name: _version(name) for name in PACKAGES}
    models = check_models()
    inference = try_inference()
    ok = (
        all(packages.values())
        and all(model["problem"] is None for model in models)
        and inference["problem"] is None
    )
    from emotrace.models.registry import home

    return {
        "ok": ok,
        "emotrace": emotrace.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "ffmpeg": _ffmpeg(),
        "cpu": cpu(),
        "extras": {name: all(map(_importable, modules)) for name, modules in EXTRAS.items()},
        "home": str(home()),
        "models": models,
        "inference": inference,
    }


def check_models() -> list[dict[str, Any]]:
    """Every installed model, its card and the hashes of its files."""
    from emotrace.models.package import ModelPackage
    from emotrace.models.registry import installed

    rows = []
    for name, folder in installed().items():
        problem = None
        try:
            package = ModelPackage(folder)
            for file in package.card.files:
                package.check(file)
        except EmotraceError as error:
            problem = str(error)
        rows.append({"name": name, "folder": str(folder), "problem": problem})
    return rows


def try_inference(seconds: float = 3.0) -> dict[str, Any]:
    """Load the best model and recognise a tone that rises and falls."""
    row: dict[str, Any] = {"problem": None, "seconds_of_sound": seconds}
    try:
        import numpy as np

        from emotrace.recognition import Recognizer
        from emotrace.timing import SAMPLING_RATE

        times = np.arange(int(seconds * SAMPLING_RATE)) / SAMPLING_RATE
        sound = (0.3 * np.sin(2 * np.pi * (200 * times + 20 * np.sin(4 * times)))).astype(np.float32)
        begin = time.perf_counter()
        recognizer = Recognizer()
        recognizer.recognize((sound, SAMPLING_RATE))
        loaded = time.perf_counter()
        recognizer.recognize((sound, SAMPLING_RATE))
        took = time.perf_counter() - loaded
    except Exception as error:  # whatever is wrong here is what the report is for
        return {**row, "problem": f"{type(error).__name__}: {error}"}
    return {
        **row,
        "model": recognizer.info.name,
        "load_seconds": round(loaded - begin - took, 4),
        "inference_seconds": round(took, 4),
        "real_time_factor": round(took / seconds, 5),
    }


def cpu(info: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """Name, cores and the features that matter for speed, as far as the system tells them."""
    fields: dict[str, str] = {}
    try:
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip().lower(), value.strip())
    except OSError:
        pass
    flags = set((fields.get("flags") or fields.get("features") or "").split())
    return {
        "name": fields.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "features": [name for name in _FEATURES if name in flags],
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _ffmpeg() -> str | None:
    try:
        import av
    except ImportError:
        return None
    version = getattr(av, "ffmpeg_version_info", None)
    if version:
        return str(version)
    from av import library_versions as versions

    return ", ".join(f"{name} {'.'.join(map(str, parts))}" for name, parts in versions.items())
