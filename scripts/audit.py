"""Ask the advisory service for known vulnerabilities of what is installed; a finding fails.

Where it cannot be asked, as on a machine without the internet, this says so and does not fail, unless
AUDIT_REQUIRED is set, as it should be where releases are made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

SECONDS = 300


def verdict(report: Any, required: bool) -> tuple[int, str]:
    """Exit code and text for what pip-audit found.

    Args:
        report: of ``pip-audit --format json``; None if there is none.
        required: whether every package must have been looked up.
    """
    packages = [] if report is None else report["dependencies"]
    found = [(package, finding) for package in packages for finding in package.get("vulns", ())]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    asked = len(packages) - len(unknown)
    lines = [
        f"{package['name']} {package['version']}: {finding['id']}, mended in "
        f"{', '.join(finding['fix_versions']) or 'no version yet'}"
        for package, finding in found
    ]
    if not asked:
        lines.append("NOT AUDITED: the advisory service could not be asked; nothing is known of any package")
    elif not found:
        lines.append(f"no known vulnerability in {asked} packages")
    if asked and unknown:
        lines.append(f"not known to the advisory service: {', '.join(unknown)}")
    return int(bool(found) or (required and not asked)), "\n".join(lines)


def main() -> int:
    """Run pip-audit over this environment."""
    command = (sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off")
    more = ("--local", "--skip-editable", "--timeout", "10")
    try:
        done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=SECONDS, check=False)
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):  # it prints no report when it cannot connect
        report = None
    code, text = verdict(report, bool(os.environ.get("AUDIT_REQUIRED")))
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
