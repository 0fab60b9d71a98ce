"""What a number needs to be checked later: versions, hardware, command line and commit."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import tapehead


def provenance() -> dict[str, Any]:
    """Versions, commit (None outside a checkout), hardware, command line and time, as JSON."""
    commit, dirty = _commit()
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "commit": commit,
        "commit_has_changes": dirty,
        "hardware": _hardware(),
        # As typed: the folder that tapehead is installed in says nothing to others.
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in ("tapehead", "torch", "numpy", "numba", "lightning-fabric"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def _hardware() -> dict[str, Any]:
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(number) for number in gpus],
    }


@cache
def _commit() -> tuple[str | None, bool | None]:
    """Commit of the checkout this package runs from, and whether files besides `results/` differ
    from it."""
    package = Path(tapehead.__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "--no-optional-locks", "-C", str(package), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    top = git("rev-parse", "--show-toplevel")
    # A package installed into an environment inside some other checkout has no commit.
    if top is None or package != Path(top) / "src" / "tapehead":
        return None, None
    # Results that were written a moment ago change nothing of the next ones.
    files = (":(top)", ":(top,exclude)results")
    changes = git("status", "--porcelain", "--untracked-files=no", "--", *files)
    return git("rev-parse", "HEAD"), bool(changes)
