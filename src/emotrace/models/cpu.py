"""What this machine's processor is called, can do, and how much of it there is."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

_INSTRUCTIONS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp", "avx512bw", "avx2")
"""Integer matrix instructions as Linux and macOS call them, best first; on each, int8 rounds and saturates
differently and has another speed."""


@cache
def cpu_name() -> str:
    """Name of the processor, as its maker writes it where the system tells.

    >>> bool(cpu_name())
    True
    """
    return _linux("model name") or _mac("machdep.cpu.brand_string") or platform.processor() or _machine()


@cache
def int8_instructions() -> str:
    """The best integer matrix instructions of the processor, such as ``"x86_64 avx512_vnni"``.

    >>> int8_instructions().split()[0] == platform.machine().lower()
    True
    """
    flags = (_linux("flags") or _linux("Features") or _mac("machdep.cpu.leaf7_features")).lower().split()
    found = next((name for name in _INSTRUCTIONS if name in flags), "")
    return f"{_machine()} {found}".strip()


def cores() -> int:
    """Cores that this process may use; two threads of one core count once. See :func:`keep_to`.

    >>> 1 <= cores() <= (os.cpu_count() or 1)
    True
    """
    return min(_share, _usable())


_share = 1 << 16


def keep_to(count: int) -> None:
    """This process is one of several that share the machine: so many cores are its own from now on."""
    global _share
    _share = max(1, count)


@cache
def _usable() -> int:
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    return len({_siblings(cpu) for cpu in usable}) or 1


def _siblings(cpu: int) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(cpu)


def _machine() -> str:
    return platform.machine().lower()


def _linux(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def _mac(field: str) -> str:
    if platform.system() != "Darwin":
        return ""
    done = subprocess.run(["/usr/sbin/sysctl", "-n", field], capture_output=True, text=True, check=False)
    return done.stdout.strip()
