"""What was read of source files, kept beside their bytecode and by Python's own rule for it.

A file is read again when its size or the time it was changed is another. Where nothing can be written, all are read
each time.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from theory.core.files import write_atomically


def read_once(index: Path, files: Sequence[Path], read: Callable[[Path], list[Any]], reader: Path) -> list[list[Any]]:
    """What `read` makes of each file, as JSON holds it, from `index` where that knows the file as it is.

    Args:
        reader: the source file of `read`: what another version of it found counts as nothing, as does a damaged index.
    """
    known, version = _kept(index), _stamp(reader)
    found = {}
    for file in files:
        stamp = [*version, *_stamp(file)]
        before = known.get(str(file))
        found[str(file)] = before if before and before[0] == stamp else [stamp, read(file)]
    if found != known:
        _keep(index, found)
    return [content for _, content in found.values()]


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_mtime_ns, status.st_size]


def _kept(index: Path) -> dict[str, list[Any]]:
    """An index of the form that `read_once` writes, or none."""
    try:
        known = json.loads(index.read_bytes())
    except (OSError, ValueError):
        return {}
    whole = isinstance(known, dict) and all(
        isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list) for entry in known.values()
    )
    return known if whole else {}


def _keep(index: Path, found: dict[str, list[Any]]) -> None:
    try:
        write_atomically(index, json.dumps(found).encode())
    except (OSError, TypeError):  # a folder that is not the user's to write, or an id that is no text
        return
