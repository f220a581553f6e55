"""Finished evidence and unfinished work, kept between runs under a key of all they depend on."""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from theory.claims import Evidence
from theory.claims.study import Study
from theory.core.files import write_atomically
from theory.harness import archive
from theory.harness.discovery import Stated
from theory.harness.fingerprint import fingerprint
from theory.harness.provenance import digest, provenance, version

# What reading a file of another form, or of none, may raise.
DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
LIBRARIES = ("numpy", "scipy", "sympy", "torch", "scikit-learn")  # whatever can change a number


def key(claim: Stated, study: Study, code: str | None = None) -> str:
    """Name of a claim's evidence under the conditions of `study`, the code and the libraries as they are now.

    `code` is the fingerprint of the claim's module, for whoever has it already.
    """
    data = None if study.data is None else digest(study.data)
    code = fingerprint(claim.module) if code is None else code
    conditions = [study.profile, study.seed, study.device, data, dict(study.given), code]
    versions = [platform.python_version(), *(version(library) for library in LIBRARIES)]
    name = hashlib.sha256(json.dumps([claim.id, *conditions, *versions]).encode()).hexdigest()
    return f"{claim.id}-{study.profile}-{name[:20]}"


@dataclass(frozen=True)
class Cache:
    """Evidence and checkpoints in one folder, which other runs may be using at the same time."""

    folder: Path
    scratches: dict[str, Path] = field(default_factory=dict, compare=False)
    locks: dict[Path, IO[bytes]] = field(default_factory=dict, compare=False)

    def find(self, key: str) -> Evidence | None:
        """The evidence stored under `key`; a file that is damaged, changed or of another form counts as none."""
        try:
            if (self.folder / f"{key}.sum").read_text(encoding="utf-8") != self._checksum(key):
                return None
            (evidence,) = archive.read(self.folder / key).values()
        except DAMAGED:
            return None
        return evidence

    def store(self, key: str, evidence: Evidence, study: Study) -> None:
        """Keep finished evidence, and drop the checkpoints that led to it."""
        archive.write(self.folder / key, [evidence], provenance(study, evidence.provenance["seconds"]))
        write_atomically(self.folder / f"{key}.sum", self._checksum(key).encode())
        self._remove_scratch(key)

    def _checksum(self, key: str) -> str:
        contents = [(self.folder / f"{key}.{ending}").read_bytes() for ending in ("npz", "json")]
        return " ".join(hashlib.sha256(content).hexdigest() for content in contents)

    def scratch(self, key: str) -> Path:
        """Folder for the checkpoints of the claim being judged under `key`, to go on from what an earlier run left.

        While another run is at work in it, this one has a folder of its own.
        """
        if key not in self.scratches:
            shared = self.folder / "unfinished" / key
            self.scratches[key] = shared if self._lock(shared) else shared.with_name(f"{key}-{os.getpid()}")
        return self.scratches[key]

    def _lock(self, folder: Path) -> bool:
        """Whether no other process works in that folder; none will, as long as this one lives."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self.locks[folder] = lock
        return True

    def discard(self, key: str) -> None:
        """Forget the evidence and the checkpoints of `key`, but not those that another run is writing."""
        for ending in ("sum", "json", "npz"):
            (self.folder / f"{key}.{ending}").unlink(missing_ok=True)
        self._remove_scratch(key)

    def _remove_scratch(self, key: str) -> None:
        """And let other runs work there: a range of seeds has more claims than a process may have open files."""
        folder = self.scratch(key)
        shutil.rmtree(folder, ignore_errors=True)
        del self.scratches[key]
        if folder in self.locks:
            self.locks.pop(folder).close()

    def last_seconds(self, claim: Stated, profile: str) -> float:
        """How long the claim took the last time in this profile, whatever has changed since; infinity if unknown."""
        try:
            newest = max(self.folder.glob(f"{claim.id}-{profile}-*.json"), key=lambda file: file.stat().st_mtime)
            seconds = float(json.loads(newest.read_text(encoding="utf-8"))["provenance"]["seconds"])
        except DAMAGED:
            return float("inf")
        return seconds if seconds >= 0 else float("inf")
