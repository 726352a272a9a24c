"""What a million hours of sound would take: ``python -m scripts.million_hours [--hours N] [--cores N] ...``.

A calculation, not a measurement: rates are those that were measured on two cores (docs/batch.md,
docs/engine.md), prices and the rate of a GPU are assumptions, and each is an option. docs/cluster.md
shows the table of the defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Assumptions:
    """What is reckoned with.

    Attributes:
        hours: of sound.
        file_seconds: length of a recording on average.
        kilobytes_per_second: of a recording, as it is stored.
        compact: core seconds for a second of sound: built-in model with signal checks, short clips.
        compact_unchecked: the same without signal checks.
        large: core seconds for a second of sound: int8 large size, without checks, files of an hour.
        checks: core seconds for a second of sound of the signal checks alone.
        large_gpu: seconds of a GPU for a second of sound, large size: assumed, not measured.
        gpu_cores: cores beside a GPU, which decode and check.
        cores: of the cluster (CPU only).
        gpus: of the cluster (with GPUs).
        core_price: of a core hour, in dollars: assumed.
        gpu_price: of a GPU hour with its cores, in dollars: assumed.
        used: share of the time in which workers work: starts, ends, lost nodes.
        driver_files: inputs that the driver can log in a second.
        entry_kilobytes: of an input in the driver's log, with its embedding.
        network: megabytes per second that the store of the inputs gives to the whole cluster: assumed.
    """

    hours: float = 1e6
    file_seconds: float = 60.0
    kilobytes_per_second: float = 8.0
    compact: float = 0.0057
    compact_unchecked: float = 0.0043
    large: float = 0.057
    checks: float = 0.0014
    large_gpu: float = 0.002
    gpu_cores: int = 8
    cores: int = 256
    gpus: int = 16
    core_price: float = 0.04
    gpu_price: float = 1.0
    used: float = 0.9
    driver_files: float = 5000.0
    entry_kilobytes: float = 9.5
    network: float = 1000.0


@dataclass(frozen=True)
class Plan:
    """What one way of doing it takes.

    Attributes:
        name: of the way.
        unit_hours: core hours or GPU hours.
        wall: hours, by whatever takes longest.
        price: dollars.
        bottleneck: what takes longest.
    """

    name: str
    unit_hours: float
    wall: float
    price: float
    bottleneck: str


def plans(given: Assumptions) -> list[Plan]:
    """The ways that are compared.

    >>> [plan.bottleneck for plan in plans(Assumptions())]
    ['workers', 'workers', 'workers', 'workers']
    >>> [plan.bottleneck for plan in plans(Assumptions(file_seconds=1.0, cores=4096, gpus=1024))][:2]
    ['driver', 'driver']
    """
    on_cores = {
        "compact, signal checks": given.compact,
        "compact, no checks": given.compact_unchecked,
        "large int8, signal checks": given.large + given.checks,
    }
    made = [_plan(given, name, cost, given.cores, given.core_price) for name, cost in on_cores.items()]
    beside = (given.compact_unchecked + given.checks) / given.gpu_cores  # decoding and checks
    gpu = max(given.large_gpu, beside)
    return [*made, _plan(given, "large on GPUs, signal checks", gpu, given.gpus, given.gpu_price)]


def _plan(given: Assumptions, name: str, cost: float, workers: int, price: float) -> Plan:
    unit_hours = given.hours * cost / given.used
    seconds = given.hours * 3600
    limits = {
        "workers": unit_hours / workers,
        "driver": seconds / given.file_seconds / given.driver_files / 3600,
        "network": seconds * given.kilobytes_per_second / 1000 / given.network / 3600,
    }
    bottleneck = max(limits, key=lambda limit: limits[limit])
    return Plan(name, unit_hours, limits[bottleneck], unit_hours * price, bottleneck)


def table(given: Assumptions) -> Iterator[str]:
    """Markdown."""
    yield "| way | core or GPU hours | cluster | hours | dollars | bound by |"
    yield "|---|---|---|---|---|---|"
    for plan in plans(given):
        cluster = f"{given.gpus} GPUs" if "GPU" in plan.name else f"{given.cores} cores"
        yield (
            f"| {plan.name} | {plan.unit_hours:,.0f} | {cluster} | {plan.wall:,.0f} | {plan.price:,.0f} | "
            f"{plan.bottleneck} |"
        )
    seconds = given.hours * 3600
    files = seconds / given.file_seconds
    megabytes = seconds * given.kilobytes_per_second / 1000
    yield ""
    yield (
        f"{files / 1e6:,.0f} million recordings of {given.file_seconds:g} s: the driver logs them in "
        f"{files / given.driver_files / 3600:,.1f} hours and "
        f"{files * given.entry_kilobytes / 1e6:,.0f} GB. The inputs are {megabytes / 1e6:,.1f} TB, which the "
        f"store gives in {megabytes / given.network / 3600:,.1f} hours."
    )


def main() -> None:
    """Print the table for the assumptions of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for each in fields(Assumptions):
        kind = int if isinstance(each.default, int) else float
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    given = replace(Assumptions(), **vars(parser.parse_args()))
    print("\n".join(table(given)))


if __name__ == "__main__":
    main()
