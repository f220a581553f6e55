"""The user's own labelled examples: inputs, and the class of each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.data.tables import Table, read_table
from theory.core.arrays import Array
from theory.core.validation import reject

MOST_CLASSES = 50


@dataclass(frozen=True)
class Labelled:
    """Inputs with the class of each.

    Attributes:
        X: inputs (n, d).
        labels: (n,), 0 ... K - 1: which of the classes.
        classes: the K of them, as the file has them, in increasing order.
    """

    X: Array
    labels: np.ndarray
    classes: tuple[str, ...]

    @property
    def Z(self) -> Array:
        """Two classes: y_i x_i (n, d), with y = 1 for the second of them and -1 for the first."""
        return self.X * np.where(self.labels == 1, 1.0, -1.0)[:, None]


def load_labelled(path: Path) -> Labelled:
    """Examples of two classes, from any of the forms of `tables`: whole numbers, two numbers of any kind, or text.

    Raises:
        InvalidArgument: the file has no such table.
    """
    return two_classes(path, read_table(path))


def load_multiclass(path: Path) -> Labelled:
    """The same of two classes or more.

    Raises:
        InvalidArgument: the file has no such table.
    """
    return labelled(path, read_table(path))


def two_classes(path: Path, table: Table) -> Labelled:
    """The examples of a table read before, from `path`, of two classes.

    Raises:
        InvalidArgument: its targets are no labels, or of another number of classes.
    """
    examples = labelled(path, table)
    if len(examples.classes) != 2:
        names = ", ".join(examples.classes[:5]) + (", ..." if len(examples.classes) > 5 else "")
        reject(
            f"data {path}: labels", f"{len(examples.classes)} classes ({names})", "two classes: keep the rows of two"
        )
    return examples


def labelled(path: Path, table: Table) -> Labelled:
    """The same of two classes or more."""
    where = f"data {path}: labels"
    if table.Y.shape[1] != 1:
        reject(where, f"{table.Y.shape[1]} columns", "one column")
    column = table.Y[:, 0].astype(str) if table.Y.dtype.kind in "SU" else table.Y[:, 0]
    if column.dtype.kind not in "biufU":
        reject(where, f"values of type {column.dtype}", "numbers or text")
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        reject(where, "a number that is not finite", "a label for every example")
    if column.dtype.kind == "U" and (column == "").any():
        reject(where, f"none for example {int(np.flatnonzero(column == '')[0])}", "a label for every example")
    classes, labels = np.unique(column, return_inverse=True)
    names = tuple(f"{name:g}" if column.dtype.kind == "f" else str(name) for name in classes)
    if len(classes) < 2:
        reject(where, f"{names[0]} alone", "two classes or more")
    if len(classes) > MOST_CLASSES:
        reject(where, f"{len(classes)} different values", f"at most {MOST_CLASSES} classes")
    if column.dtype.kind == "f" and len(classes) > 2 and (classes % 1 != 0).any():
        reject(where, f"{len(classes)} different numbers", "whole numbers, two numbers or text")
    return Labelled(table.X, labels.astype(np.int64), names)
