"""``emotrace doctor``: does everything that is needed work here?"""

from __future__ import annotations

from typing import Any

import typer

from emotrace.cli import exit_codes
from emotrace.cli.options import JsonText


def doctor(
    json: JsonText = False,
) -> None:
    """Check the installation.

    Versions, processor, extras, models and the hashes of their files, and one recognition.

    The exit code is 6 if a model is damaged or the recognition fails.
    """
    from emotrace.cli.doctor_report import examine

    report = examine()
    if json:
        from json import dumps

        typer.echo(dumps(report, ensure_ascii=False))
    else:
        typer.echo(_text(report))
    if not report["ok"]:
        raise typer.Exit(exit_codes.MODEL)


def _text(report: dict[str, Any]) -> str:
    versions = [f"{name} {version or 'missing'}" for name, version in report["packages"].items()]
    cpu = report["cpu"]
    lines = [
        f"emotrace {report['emotrace']}, Python {report['python']}, {report['platform']}",
        f"packages    {', '.join(versions)}",
        f"FFmpeg      {report['ffmpeg'] or 'missing'}",
        f"processor   {cpu['name']}, {cpu['cores']} cores, {' '.join(cpu['features']) or 'features unknown'}",
        f"data folder {report['home']}",
    ]
    lines += [
        f"extra       {name}: " + ("installed" if there else f"pip install 'emotrace[{name}]'")
        for name, there in report["extras"].items()
    ]
    lines += [
        f"model       {model['name']}: " + (model["problem"] or "complete, hashes right")
        for model in report["models"]
    ]
    run = report["inference"]
    lines.append("recognition " + (run["problem"] or _timing(run)))
    lines.append("all is well" if report["ok"] else "there are problems, see above")
    return "\n".join(lines)


def _timing(run: dict[str, Any]) -> str:
    return (
        f"{run['seconds_of_sound']:g} s of sound in {run['inference_seconds'] * 1000:.0f} ms with "
        f"{run['model']} (real-time factor {run['real_time_factor']:.4f}; "
        f"loading took {run['load_seconds'] * 1000:.0f} ms)"
    )
