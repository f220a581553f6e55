"""Finished evidence and unfinished work, kept between runs under a key of all they depend on."""

import hashlib
import json
import platform
import shutil
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from theory.claims import Evidence
from theory.claims.study import Study
from theory.harness import archive
from theory.harness.discovery import Stated
from theory.harness.fingerprint import fingerprint
from theory.harness.provenance import provenance

LIBRARIES = ("numpy", "scipy", "sympy", "torch", "scikit-learn")  # whatever can change a number


def key(claim: Stated, study: Study) -> str:
    """Name of a claim's evidence under the conditions of `study`, the code and the libraries as they are now."""
    data = None if study.data is None else _digest(study.data)
    conditions = [study.profile, study.seed, study.device, data, fingerprint(claim.module)]
    versions = [platform.python_version(), *(version(library) for library in LIBRARIES)]
    digest = hashlib.sha256(json.dumps([claim.id, *conditions, *versions]).encode()).hexdigest()
    return f"{claim.id}-{study.profile}-{digest[:20]}"


def _digest(data: Path) -> str:
    """Digest of a file's content, or of the names and contents of a folder's IDX files; the path does not count."""
    files = sorted(data.glob("*-ubyte*")) if data.is_dir() else [data]
    contents = [(file.name if data.is_dir() else "", hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """Evidence and checkpoints in one folder."""

    folder: Path

    def find(self, key: str) -> Evidence | None:
        """The evidence stored under `key`; a damaged file counts as none."""
        try:
            (evidence,) = archive.read(self.folder / key).values()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return evidence

    def store(self, key: str, evidence: Evidence, study: Study) -> None:
        """Keep finished evidence, and drop the checkpoints that led to it."""
        archive.write(self.folder / key, [evidence], provenance(study, evidence.provenance["seconds"]))
        shutil.rmtree(self.scratch(key), ignore_errors=True)

    def scratch(self, key: str) -> Path:
        """Folder for the checkpoints of the claim being judged under `key`."""
        return self.folder / "unfinished" / key

    def discard(self, key: str) -> None:
        """Forget the evidence and the checkpoints of `key`."""
        (self.folder / f"{key}.json").unlink(missing_ok=True)
        (self.folder / f"{key}.npz").unlink(missing_ok=True)
        shutil.rmtree(self.scratch(key), ignore_errors=True)

    def last_seconds(self, claim: Stated, profile: str) -> float:
        """How long the claim took the last time in this profile, whatever has changed since; infinity if unknown."""
        files = sorted(self.folder.glob(f"{claim.id}-{profile}-*.json"), key=lambda file: file.stat().st_mtime)
        try:
            return float(json.loads(files[-1].read_text(encoding="utf-8"))["provenance"]["seconds"])
        except (IndexError, OSError, ValueError, KeyError):
            return float("inf")
