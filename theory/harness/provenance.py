"""Where results come from: versions, commit, conditions."""

import hashlib
import json
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import theory
from theory.claims.study import Study
from theory.core.files import files_of

LIBRARIES = ("numpy", "scipy", "torch")
ROOT = Path(theory.__file__).parents[1]


def provenance(study: Study, seconds: float) -> dict[str, Any]:
    """The provenance of results computed under the conditions of `study` in `seconds` of computing time."""
    return {
        "version": theory.__version__,
        "commit": _own_commit(),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "device": study.device,
        "dtype": "float64",
        "threads": 1,
        "seed": study.seed,
        "profile": study.profile,
        "data": None if study.data is None else {"name": study.data.name, "digest": digest(study.data)},
        "seconds": seconds,
    }


@cache
def version(library: str) -> str:
    """The installed version of a library, as it was when this process first asked.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    return metadata.version(library)


@cache
def _own_commit() -> str | None:
    """Of the code that this process has loaded: what changes afterwards is not what it runs."""
    return commit(ROOT)


def digest(data: Path) -> str:
    """Digest of a file's content, or of the names and contents of a folder's IDX files; the path does not count."""
    files = sorted(data.glob("*-ubyte*")) if data.is_dir() else files_of(data)
    contents = [(file.name if data.is_dir() else "", hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def commit(root: Path) -> str | None:
    """Commit of the source tree at `root`, marked "-dirty" if files differ from it; None where there is no git."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
