"""The user's own data as a file holds them: inputs X and targets Y, from .npz, a pair of .npy files or CSV.

data.npz        arrays X (n, D) and Y, or y; Y of shape (n,) is one column
X.npy,Y.npy     the same two arrays, in two files of one folder: folder/X.npy,Y.npy
data.csv        a header, then numbers; the targets are the columns named y, y1, y2, ..., target or label, or the
                last one where there is none; separated by commas, semicolons or tabs
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from experiments.data.csv_files import read_csv
from theory.core.arrays import Array
from theory.core.files import files_of
from theory.core.validation import InvalidArgument, finite_matrix, reject

LARGEST = 2**32  # bytes of the arrays, or of a CSV file
FORMS = "an .npz file of real numbers, a pair X.npy,Y.npy in one folder, or a .csv file"


@dataclass(frozen=True)
class Table:
    """What a file holds: inputs X (n, D), finite, and targets Y (n, m), numbers or text."""

    X: Array
    Y: np.ndarray


def read_table(path: Path) -> Table:
    """The table in a file, or in a pair of them.

    Raises:
        InvalidArgument: no such file, one that cannot be read or is too large, or X is no finite matrix with as many
            rows as Y; the message names the file and the entry.
    """
    for file in files_of(path):
        _require_file(path, file)
    X, Y = _arrays(path)
    _require_size(path, 8 * np.size(X))  # as they are used, in double precision
    try:
        X = finite_matrix("X", X)
        if np.ndim(Y) not in (1, 2) or len(Y) != len(X) or Y.size == 0:
            reject("Y.shape", np.shape(Y), f"({len(X)}, any)")
    except InvalidArgument as error:
        raise InvalidArgument(f"data {path}: {error}") from error
    return Table(X, Y[:, None] if Y.ndim == 1 else Y)


def _require_file(data: Path, file: Path) -> None:
    if file.exists() and not file.is_file():
        reject("data", file, f"{FORMS} (not a folder, a pipe or a device)")
    if not file.exists():
        reject("data", data, f"{FORMS} (no such file{'' if file == data else f': {file}'})")


def _arrays(path: Path) -> tuple[Any, Any]:
    """X and Y as they are."""
    try:
        if path.suffix.lower() == ".csv":
            _require_size(path, path.stat().st_size)
            return read_csv(path)
        if len(files_of(path)) == 2:
            X, Y = (np.load(file, mmap_mode="r", allow_pickle=False) for file in files_of(path))
            _require_size(path, X.nbytes + Y.nbytes)
            return X, Y
        if path.suffix == ".npy":
            _unreadable(path, f"one array: its targets go beside it, {path.name},Y.npy")
        return _zipped(path)
    except InvalidArgument:
        raise
    except Exception as error:  # a file cut short, changed, encrypted or of another kind raises nearly any
        _unreadable(
            path, "Python objects, pickled: save numbers" if "object" in str(error).lower() else "cannot be read"
        )


def _zipped(path: Path) -> tuple[Any, Any]:
    with zipfile.ZipFile(path) as archive:
        _require_size(path, sum(member.file_size for member in archive.infolist()))
    with np.load(path, allow_pickle=False) as file:
        named = [name for name in ("Y", "y") if name in file]
        if "X" not in file or len(named) != 1:
            reject("data", path, "a file with an array X (n, D) and an array Y (n, m), or y, but not both")
        return file["X"], file[named[0]]


def _require_size(path: Path, size: int) -> None:
    if size > LARGEST:
        reject("data", path, f"arrays of at most {LARGEST / 2**30:g} GiB (these have {size / 2**30:.3g})")


def _unreadable(path: Path, reason: str) -> NoReturn:
    reject("data", path, f"{FORMS} ({reason})")
