"""The user's own regression: inputs and numbers to fit."""

from pathlib import Path

import numpy as np

from experiments.data.tables import Table, read_table
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import InvalidArgument, finite_matrix, reject

# Fourth powers of what is read are formed on the way, and must neither overflow nor vanish.
SMALLEST_NUMBER, LARGEST_NUMBER = 1e-70, 1e70


def load_regression(path: Path) -> Regression:
    """The regression of Y (n, m) on X (n, D), from any of the forms of `tables`; Y of shape (n,) is one output.

    Raises:
        InvalidArgument: the file has no such table, or its targets are no numbers (says which entry).
    """
    return regression_of(path, read_table(path))


def regression_of(path: Path, table: Table) -> Regression:
    """The same of a table read before, from `path`."""
    try:
        X = _of_moderate_size("X", table.X)
        if table.Y.dtype.kind == "U":
            reject("Y", f"text such as {_first_word(table.Y)!r}", "numbers to fit")
        Y = _of_moderate_size("Y", finite_matrix("Y", table.Y, rows=X.shape[0]))
        return Regression(X, Y)
    except InvalidArgument as error:
        raise InvalidArgument(f"data {path}: {error}") from error


def _first_word(Y: np.ndarray) -> str:
    """The first entry that is no number."""
    for word in Y.flat:
        try:
            float(word)
        except ValueError:
            return str(word)
    return str(Y.flat[0])


def _of_moderate_size(name: str, array: Array) -> Array:
    sizes = np.abs(array)
    off = (sizes > LARGEST_NUMBER) | ((sizes > 0) & (sizes.max() < SMALLEST_NUMBER))
    if off.any():
        first = tuple(int(i) for i in np.argwhere(off)[0])
        expected = f"numbers between {SMALLEST_NUMBER:g} and {LARGEST_NUMBER:g}; rescale the data"
        reject(f"{name}[{first[0]}, {first[1]}]", array[first], expected)
    return array
