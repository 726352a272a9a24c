"""The files of a result, made when somebody asks for them."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from emotrace.errors import MissingExtraError
from emotrace.outputs import CsvTable, save_picture, write_folder
from emotrace.outputs.formats import FORMATS
from emotrace.results import Failure
from emotrace.server import renderings
from emotrace.server.access.callers import caller_of
from emotrace.server.problems import RequestError
from emotrace.server.service import Service
from emotrace.server.work import GoOn
from emotrace.store import Kept
from emotrace.webui.calls import wav_blocks
from emotrace.webui.languages import LANGUAGES, Language
from emotrace.webui.result import Links
from emotrace.webui.shelf import KEPT_SECONDS, Batch, Shelf, Shelved
from emotrace.webui.texts import Words

ROOT, BATCHES = "/ui/results", "/ui/batches"

FOLDER, EMBEDDING, SOUND, PICTURES = "folder", "embedding", "sound", ("png", "svg")


def links_of(name: str, found: Shelved, words: Words) -> Links:
    """Where the files of a result are."""
    names = [(form.title, form.name) for form in FORMATS.values() if _writable(form.check)]
    names.insert(2, (words("format.npy"), EMBEDDING))
    names += [(words(f"format.{each}"), each) for each in PICTURES]
    names += [(words("format.zip"), FOLDER), (words("format.wav"), SOUND)]
    if not found.embedding:
        names = [each for each in names if each[1] != EMBEDDING]
    address = f"{ROOT}/{name}"
    return Links(
        downloads=tuple((title, f"{address}/{each}?lang={words.language}") for title, each in names),
        sound=f"{address}/{SOUND}",
        minutes=round(KEPT_SECONDS / 60),
    )


def kept_links(kept: Kept, words: Words) -> Links:
    """Where the files of a result in the history are: what the REST API answers."""
    address = f"/v1/recognitions/{kept.id}"
    names = [
        (
            form.title,
            f"{address}?format={form.name}&language={words.language}" if form.name != "json" else address,
        )
        for form in FORMATS.values()
        if _writable(form.check)
    ]
    names.insert(2, (words("format.npy"), f"{address}/embedding.npy"))
    names.append((words("format.png"), f"{address}/timeline.png?language={words.language}"))
    names.append((words("format.zip"), f"{address}?format={renderings.FOLDER}"))
    return Links(tuple(names), f"{address}/audio" if kept.has_audio else None)


def router(service: Service, shelf: Shelf) -> APIRouter:
    """The routes; what is drawn or packed waits in the queue as recordings do.

    Args:
        service: has the queue.
        shelf: holds the results.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.get(ROOT + "/{name}/{form}")
    async def download(request: Request, name: str, form: str) -> Response:
        found = await run_in_threadpool(shelf.result, name, caller_of(request).key)

        def make(go_on: GoOn | None = None) -> Response:
            return _file(shelf, found, form, _language(request))

        if form == FOLDER or form in PICTURES:
            return await service.run(request, make)
        return await run_in_threadpool(make)

    @routes.get(BATCHES + "/{name}/{form}")
    async def together(request: Request, name: str, form: str) -> Response:
        owner = caller_of(request).key
        batch = shelf.batch(name, owner)
        makers = {"zip": _zip, "csv": _csv}
        if form not in makers:
            raise RequestError("not-found", f"there is no form {form[:60]!r}; expected zip or csv")
        return await service.run(request, lambda go_on: makers[form](shelf, batch))

    return routes


def _file(shelf: Shelf, found: Shelved, form: str, language: Language) -> Response:
    stem = _stem(found.record["source"])
    if form == SOUND:
        return FileResponse(found.sound, media_type="audio/wav", headers=_named(f"{stem}.wav"))
    if form == EMBEDDING:
        file = io.BytesIO()
        np.save(file, found.result.embedding.astype(np.float32, copy=False), allow_pickle=False)
        return Response(file.getvalue(), 200, _named(f"{stem}.npy"), "application/x-npy")
    if form == FOLDER:
        return _zipped(shelf.folder, stem, lambda work: _write(work, found))
    if form in PICTURES:
        return _picture(shelf.folder, found, form, language)
    if form not in FORMATS:
        raise RequestError(
            "not-found", f"there is no form {form[:60]!r}; expected one of {', '.join(FORMATS)}"
        )
    known = FORMATS[form]
    content = known.render(
        found.result, granularity=found.granularity, when=found.when, language=language, media=f"{stem}.wav"
    )
    return Response(content, 200, _named(stem + known.suffix), known.media_type)


def _picture(folder: Path, found: Shelved, form: str, language: Language) -> Response:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        path = Path(work) / f"picture.{form}"
        save_picture(wav_blocks(found.sound), found.result, path, language=language)
        content = path.read_bytes()
    kind = "image/png" if form == "png" else "image/svg+xml"
    return Response(content, 200, _named(f"{_stem(found.record['source'])}.{form}"), kind)


def _write(parent: Path, found: Shelved) -> Path:
    return write_folder(
        parent,
        found.result,
        wav_blocks(found.sound),
        granularity="utterance" if found.result.track is None else found.granularity,
        when=found.when,
        embedding=found.embedding and found.granularity != "frame",
    )


def _zip(shelf: Shelf, batch: Batch) -> Response:
    def write(work: Path) -> None:
        (work / "results.csv").write_bytes(_table(shelf, batch))
        for each in shelf.items(batch):
            if isinstance(each, Shelved):
                _write(work, each)

    return _zipped(shelf.folder, "emotrace", write)


def _csv(shelf: Shelf, batch: Batch) -> Response:
    return Response(_table(shelf, batch), 200, _named("results.csv"), "text/csv; charset=utf-8")


def _table(shelf: Shelf, batch: Batch) -> bytes:
    file = io.StringIO(newline="")
    table = CsvTable(file)
    for each in shelf.items(batch):
        table.write(each if isinstance(each, Failure) else each.result)
    return file.getvalue().encode("utf-8", "backslashreplace")


def _zipped(folder: Path, stem: str, write: Callable[[Path], object]) -> Response:
    """A ZIP file of what is written, sent from disk and removed then."""
    work = Path(tempfile.mkdtemp(dir=folder))
    try:
        (work / "files").mkdir()
        write(work / "files")
        packed = work / "files.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for path in sorted((work / "files").rglob("*")):
                file.write(path, path.relative_to(work / "files"))
        shutil.rmtree(work / "files")
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    gone = BackgroundTask(shutil.rmtree, work, ignore_errors=True)
    return FileResponse(packed, media_type="application/zip", headers=_named(f"{stem}.zip"), background=gone)


def _language(request: Request) -> Language:
    return next((each for each in LANGUAGES if request.query_params.get("lang") == each), "en")


def _writable(check: Callable[[], None]) -> bool:
    try:
        check()
    except MissingExtraError:
        return False
    return True


def _stem(source: str) -> str:
    """What a download is called.

    >>> _stem("my talk?.final.wav"), _stem("..")
    ('my talk_.final', 'recording')
    """
    return re.sub(r"[^\w .()-]", "_", Path(source).stem).strip(" .")[:100] or "recording"


def _named(name: str) -> dict[str, str]:
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    }
