"""The user's own data, from a file."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import InvalidArgument, finite_matrix, reject

LARGEST = 2**32  # bytes of the arrays
# Fourth powers of what is read are formed on the way, and must neither overflow nor vanish.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-70, 1e70


def load_regression(path: Path) -> Regression:
    """The regression of Y (n, m) on X (n, D), the two arrays of an .npz file; Y of shape (n,) is one output.

    Raises:
        InvalidArgument: no such file, not .npz, an array is missing, or the arrays are no data (says which entry).
    """
    arrays = _read(path)
    try:
        X, Y = arrays["X"], arrays["Y"]
        X = _of_moderate_size("X", finite_matrix("X", X))
        Y = _of_moderate_size("Y", finite_matrix("Y", Y[:, None] if Y.ndim == 1 else Y, rows=X.shape[0]))
        return Regression(X, Y)
    except InvalidArgument as error:
        raise InvalidArgument(f"data {path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():
        reject("data", path, "an .npz file of real numbers (not a folder, a pipe or a device)")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            reject("data", path, f"arrays of at most {LARGEST / 2**30:g} GiB (these have {size / 2**30:.3g})")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("X", "Y")}
    except KeyError:
        reject("data", path, "a file with an array X (n, D) and an array Y (n, m)")
    except InvalidArgument:
        raise
    except Exception as error:  # a file cut short, changed, encrypted or of another kind raises nearly any
        reason = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
        reject("data", path, f"an .npz file of real numbers ({reason})")


def _of_moderate_size(name: str, array: Array) -> Array:
    sizes = np.abs(array)
    off = (sizes > LARGEST_NUMBER) | ((sizes > 0) & (sizes.max() < SMALLEST_NUMBER))
    if off.any():
        first = tuple(int(i) for i in np.argwhere(off)[0])
        expected = f"numbers between {SMALLEST_NUMBER:g} and {LARGEST_NUMBER:g}; rescale the data"
        reject(f"{name}[{first[0]}, {first[1]}]", array[first], expected)
    return array
