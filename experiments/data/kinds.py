"""What the user's own data can be taken for, as claims name what they accept.

regression    numbers to fit
multiclass    labels of two classes or more
labelled      labels of two classes
separable     the same, and a classifier without bias separates them
inseparable   the same, and none does
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from experiments.data.idx import load_images
from experiments.data.labelled import labelled, two_classes
from experiments.data.regression import regression_of
from experiments.data.separation import inseparable, separable
from experiments.data.tables import read_table
from theory.core.validation import InvalidArgument


def missing_in_table(path: Path) -> dict[str, str]:
    """What keeps a table from being of each kind, in a line; "" where nothing does.

    Raises:
        InvalidArgument: it cannot be read, or is of no kind at all.
    """
    table = read_table(path)
    examples = cache(lambda: two_classes(path, table))
    missing = {
        "regression": _complaint(lambda: regression_of(path, table)),
        "multiclass": _complaint(lambda: labelled(path, table)),
        "labelled": _complaint(examples),
        "separable": _complaint(lambda: separable(path, examples())),
        "inseparable": _complaint(lambda: inseparable(path, examples())),
    }
    if all(missing.values()):
        raise InvalidArgument(missing["multiclass" if table.Y.dtype.kind in "SU" else "regression"])
    return missing


def missing_in_images(path: Path) -> dict[str, str]:
    """The same of a folder of images: nothing is missing.

    Raises:
        InvalidArgument: they cannot be read.
    """
    load_images(path)
    return {"images": ""}


def _complaint(read: Callable[[], object]) -> str:
    try:
        read()
    except InvalidArgument as error:
        return str(error)
    return ""
