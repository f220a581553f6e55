"""The user's own data, from a file."""

import zipfile
from pathlib import Path

import numpy as np

from theory.core.regression import Regression
from theory.core.validation import InvalidArgument, finite_matrix, reject


def load_regression(path: Path) -> Regression:
    """The regression of Y (n, m) on X (n, D), the two arrays of an .npz file; Y of shape (n,) is one output.

    Raises:
        InvalidArgument: no such file, not .npz, an array is missing, or the arrays are no data (says which entry).
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("X", "Y")}
    except KeyError:
        reject("data", path, "a file with an array X (n, D) and an array Y (n, m)")
    except (OSError, EOFError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
        reject("data", path, f"an .npz file of real numbers ({reason})")
    try:
        X = finite_matrix("X", arrays["X"])
        Y = arrays["Y"][:, None] if arrays["Y"].ndim == 1 else arrays["Y"]
        return Regression(X, finite_matrix("Y", Y, rows=X.shape[0]))
    except InvalidArgument as error:
        raise InvalidArgument(f"data {path}: {error}") from error
