"""Where results come from: versions, commit, conditions."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import theory
from theory.claims.study import Study

LIBRARIES = ("numpy", "scipy", "torch")
ROOT = Path(theory.__file__).parents[1]


def provenance(study: Study, seconds: float) -> dict[str, Any]:
    """The provenance of results computed under the conditions of `study` in `seconds` of computing time."""
    return {
        "version": theory.__version__,
        "commit": commit(ROOT),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "device": study.device,
        "dtype": "float64",
        "threads": 1,
        "seed": study.seed,
        "profile": study.profile,
        "seconds": seconds,
    }


def commit(root: Path) -> str | None:
    """Commit of the source tree at `root`, marked "-dirty" if files differ from it; None where there is no git."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
