"""``emotrace thresholds``: the rule sets, and thresholds found on labelled clips."""

from __future__ import annotations

import typer

from emotrace.cli import exit_codes, thresholds_fit
from emotrace.cli.messages import print_json
from emotrace.cli.options import JsonText, PresetFile

app = typer.Typer(help="Show the rules of a verdict, and find thresholds on labelled clips.")


@app.callback(invoke_without_command=True)
def _thresholds(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_presets()


@app.command("list")
def list_presets(presets: PresetFile = None, json: JsonText = False) -> None:
    """List the presets and their thresholds.

    Your own presets stand in presets.toml in the folder that EMOTRACE_HOME names (see `emotrace doctor`).
    """
    from emotrace.postprocess.presets import presets as all_presets

    found = all_presets(presets)
    if json:
        rows = {
            name: {
                "description": preset.description,
                "origin": preset.origin or None,
                **preset.rules.model_dump(),
                "drop": sorted(preset.rules.drop),
            }
            for name, preset in found.items()
        }
        print_json(rows)
        return
    names = list(found)
    width = max(map(len, names)) + 2
    for name, preset in found.items():
        typer.echo(f"{name:<{width}}{preset.description}{f' ({preset.origin})' if preset.origin else ''}")
        values = preset.rules.model_dump(exclude={"drop"})
        for key, value in values.items():
            typer.echo(f"  {key:<24} {'off' if value is None else f'{value:g}'}")
        typer.echo(f"  {'drop':<24} {', '.join(sorted(preset.rules.drop))}")


app.command("fit", epilog=f"{thresholds_fit.EXAMPLES}\n{exit_codes.epilog()}")(thresholds_fit.fit)
