"""Record what a search runs on: enough to run it again, nothing secret."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from tune.formatting import without_password

PACKAGES = ("textcls-tune", "torch", "ray", "optuna", "numpy", "datasets", "gensim", "numba")


def describe(
    *,
    command: Sequence[str],
    seed: int,
    corpora: Sequence[Mapping[str, Any]],
    resources: Mapping[str, Any],
    notices: Sequence[str],
) -> dict[str, Any]:
    """Describe what a search runs on, ready for JSON.

    Args:
        command: The command line, or what stands for it; passwords in URLs are left out.
        seed: The search's.
        corpora: The provenance of each prepared corpus.
        resources: Workers, cores, memory and GPUs, as the search uses them.
        notices: Sentences about what was left out or substituted.

    Returns:
        These, with versions of packages, git's revision of this package, the machine and the time.
    """
    return {
        "command": [without_password(each) for each in command],
        "directory": str(Path.cwd()),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "versions": versions(),
        "git": revision(Path(__file__).parent),
        "machine": machine(),
        "resources": dict(resources),
        "corpora": [dict(corpus) for corpus in corpora],
        "notices": list(notices),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Describe the machine that the search itself runs on; trials may run on others."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "executable": sys.executable,
    }


def revision(folder: Path) -> str | None:
    """Return the git commit of a folder.

    Args:
        folder: A folder in a working tree, or in none.

    Returns:
        The commit's hash, "+" behind it where tracked files differ; None outside git or without it.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return commit + ("+" if _git(folder, "status", "--porcelain", "-uno") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            command, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
